# SPDX-License-Identifier: Apache-2.0
"""Clients that notice everything: how an answer ended, and what came that nobody asked for."""

import select

import h2.config
import h2.connection
import h2.events
import hyperframe.frame

import programs

CUT = "cut"  # the answer began and was broken off
CLEAN = "clean"
NONE = "none"  # no answer at all


class Result:
    def __init__(self, status, body, end, is_closed=False):
        self.status, self.body, self.end, self.is_closed = status, body, end, is_closed

    def __repr__(self):
        return f"<{self.status} {self.body[:60]!r} {len(self.body)} bytes, {self.end}>"


class Http1:
    """One kept connection; a new one where the proxy closed it."""

    def __init__(self, port, seconds=30):
        self.port, self.seconds = port, seconds
        self.socket, self.left = None, b""

    def close(self):
        if self.socket:
            self.socket.close()
        self.socket, self.left = None, b""

    def more(self):
        try:
            data = self.socket.recv(65536)
        except ConnectionError:
            data = b""
        self.left += data
        return bool(data)

    def get(self, path, method="GET", headers="", body=b""):
        if self.socket and select.select([self.socket], [], [], 0)[0]:
            # Idle: nothing but an end may be there.
            extra = self.left + self.socket.recv(65536)
            assert not extra, f"bytes that nobody asked for: {extra[:200]!r}"
            self.close()
        if not self.socket:
            self.socket = programs.connect(self.port, self.seconds)
        length = f"content-length: {len(body)}\r\n" if body else ""
        self.socket.sendall(f"{method} {path} HTTP/1.1\r\nhost: faults\r\n{length}{headers}\r\n"
                            .encode() + body)
        status, fields = 100, {}
        while 100 <= status < 200 and status != 101:
            while b"\r\n\r\n" not in self.left:
                if not self.more():
                    self.close()
                    return Result(None, b"", NONE, True)
            head, _, self.left = self.left.partition(b"\r\n\r\n")
            lines = head.decode("latin1").split("\r\n")
            status = int(lines[0].split(" ")[1])
            fields = {}
            for line in lines[1:]:
                name, _, value = line.partition(":")
                fields[name.lower()] = value.strip()
        return self.finish(method, status, fields)

    def finish(self, method, status, fields):
        if fields.get("transfer-encoding") == "chunked":
            body, is_whole = self.chunks()
        elif method == "HEAD" or status in (101, 204, 304):
            body, is_whole = b"", True
        elif "content-length" in fields:
            wanted = int(fields["content-length"])
            while len(self.left) < wanted and self.more():
                pass
            body, self.left = self.left[:wanted], self.left[wanted:]
            is_whole = len(body) == wanted
        else:
            while self.more():
                pass
            body, self.left, is_whole = self.left, b"", True
        assert not self.left, f"bytes after the answer: {self.left[:200]!r}"
        is_closed = fields.get("connection") == "close" or not is_whole
        if is_closed:
            self.close()
        return Result(status, body, CLEAN if is_whole else CUT, is_closed)

    def line(self):
        while b"\r\n" not in self.left:
            if not self.more():
                return None
        line, _, self.left = self.left.partition(b"\r\n")
        return line

    def chunks(self):
        body = b""
        while True:
            line = self.line()
            if line is None:
                return body, False
            size = int(line, 16)
            if size == 0:
                while line:
                    line = self.line()
                return body, line is not None
            while len(self.left) < size + 2:
                if not self.more():
                    return body + self.left, False
            assert self.left[size:size + 2] == b"\r\n"
            body, self.left = body + self.left[:size], self.left[size + 2:]


class Http2:
    """One connection, one stream at a time."""

    def __init__(self, port, seconds=30):
        self.port, self.seconds = port, seconds
        self.socket = self.client = None

    def close(self):
        if self.socket:
            self.socket.close()
        self.socket = None

    def connect(self):
        self.socket = programs.connect(self.port, self.seconds)
        self.client = h2.connection.H2Connection(h2.config.H2Configuration(
            client_side=True, header_encoding="latin1"))
        # h2 takes nothing after a GOAWAY; streams that it covers go on all the same.
        self.client._frame_dispatch_table[hyperframe.frame.GoAwayFrame] = (  # noqa: SLF001
            lambda _: ([], [h2.events.ConnectionTerminated()]))
        self.client.initiate_connection()

    def get(self, path, method="GET", headers=(), body=b""):
        if not self.socket:
            self.connect()
        number = self.client.get_next_available_stream_id()
        self.client.send_headers(number, [
            (":method", method), (":path", path), (":scheme", "http"), (":authority", "faults"),
            *headers], end_stream=not body)
        if body:
            self.client.send_data(number, body, end_stream=True)
        result = Result(None, b"", None)
        while result.end is None:
            try:
                self.socket.sendall(self.client.data_to_send())
                data = self.socket.recv(65536)
            except ConnectionError:
                data = b""
            if not data:
                result.end = CUT if result.status else NONE
                result.is_closed = True
            for event in self.client.receive_data(data) if data else ():
                self.take(event, number, result)
        if result.is_closed:
            self.close()
        else:
            self.socket.sendall(self.client.data_to_send())
        return result

    def take(self, event, number, result):
        if isinstance(event, h2.events.ConnectionTerminated):
            result.is_closed = True
        if getattr(event, "stream_id", number) not in (number, 0, None):
            raise AssertionError(f"an event of another stream: {event}")
        if isinstance(event, h2.events.ResponseReceived):
            result.status = int(dict(event.headers)[":status"])
        elif isinstance(event, h2.events.DataReceived):
            result.body += event.data
            self.client.acknowledge_received_data(event.flow_controlled_length, number)
        elif isinstance(event, h2.events.StreamReset):
            result.end = CUT if result.status else NONE
        elif isinstance(event, h2.events.StreamEnded):
            result.end = CLEAN
