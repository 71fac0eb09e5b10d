# SPDX-License-Identifier: Apache-2.0
"""The client's side of HTTP/1.1 on raw sockets: bytes out, whole answers back."""

import re
import socket

import programs

TIMEOUT = 10
STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5][0-9][0-9]) [\t\x20-\x7e]*")


class Reader:
    """Answers off a socket, one by one; every byte is accounted for."""

    def __init__(self, sock):
        self.socket, self.data, self.is_ended = sock, b"", False

    def more(self):
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        self.is_ended = self.is_ended or not data
        self.data += data
        return bool(data)

    def answer(self, is_head=False):
        """(status, headers, body), None where the connection has ended instead."""
        while b"\r\n\r\n" not in self.data:
            if not self.more():
                assert not self.data, f"half an answer: {self.data!r}"
                return None
        head, _, self.data = self.data.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        found = STATUS_LINE.fullmatch(lines[0])
        assert found, lines[0]
        status = int(found[1])
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(b":")
            assert name.lower() not in headers, f"twice: {line!r}"
            headers[name.lower()] = value.strip()
        body = b""
        if not is_head and status >= 200 and status not in (204, 304):
            length = int(headers.get(b"content-length", 0))
            while len(self.data) < length:
                assert self.more(), "half a body"
            body, self.data = self.data[:length], self.data[length:]
        return status, headers, body

    def rest(self):
        while self.more():
            pass
        return self.data


def connect(port):
    sock = programs.connect(port, TIMEOUT)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def ask(port, path, host=b"marker"):
    """One well-behaved request on a connection of its own."""
    with connect(port) as sock:
        sock.sendall(b"GET %s HTTP/1.1\r\nhost: %s\r\n\r\n" % (path, host))
        return Reader(sock).answer()


def reaches_origin(port, origin, number):
    """What reached the origin before a marker request that is sent now."""
    path = b"/marker-%d" % number
    status, _, _ = ask(port, path)
    assert status == 200
    requests, violations, partial = origin.collect()
    assert any(request.target == path for request in requests), requests
    return [request for request in requests if request.target != path], violations, partial
