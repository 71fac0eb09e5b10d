# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1 as it is on the wire, for the client and for the origin; nothing is made prettier."""

import socket
import time


class Ended(Exception):
    """The peer closed, reset, or stayed silent for too long: `how` says which."""

    def __init__(self, how):
        super().__init__(how)
        self.how = how


class Reader:
    """Buffered reads from a socket until a deadline."""

    def __init__(self, sock, seconds):
        self.sock = sock
        self.buffer = b""
        self.deadline = time.monotonic() + seconds

    def allow(self, seconds):
        self.deadline = time.monotonic() + seconds

    def fill(self):
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise Ended("open")
        self.sock.settimeout(left)
        try:
            data = self.sock.recv(65536)
        except (TimeoutError, socket.timeout):
            raise Ended("open") from None
        except OSError:
            raise Ended("reset") from None
        if not data:
            raise Ended("closed")
        self.buffer += data

    def until(self, mark):
        while mark not in self.buffer:
            self.fill()
        found, _, self.buffer = self.buffer.partition(mark)
        return found

    def exactly(self, count):
        while len(self.buffer) < count:
            self.fill()
        found, self.buffer = self.buffer[:count], self.buffer[count:]
        return found

    def rest(self):
        try:
            while True:
                self.fill()
        except Ended as end:
            found, self.buffer = self.buffer, b""
            return found, end.how


def parse_fields(lines):
    fields = []
    for line in lines:
        name, _, value = line.decode("latin1").partition(":")
        fields.append([name, value.strip(" \t")])
    return fields


def read_head(reader):
    lines = reader.until(b"\r\n\r\n").split(b"\r\n")
    return lines[0].decode("latin1"), parse_fields(lines[1:])


def values(fields, name):
    return [value for key, value in fields if key.lower() == name]


def read_chunked(reader, message):
    """Appends to message["body"] what comes, so that a cut body is seen up to the cut."""
    while True:
        size = int(reader.until(b"\r\n").split(b";")[0], 16)
        if size == 0:
            break
        message["body"] += reader.exactly(size).decode("latin1")
        reader.until(b"\r\n")
    lines = []
    while True:
        line = reader.until(b"\r\n")
        if not line:
            break
        lines.append(line)
    if lines:
        message["trailers"] = parse_fields(lines)


def read_body(reader, message, until_close):
    fields = message["headers"]
    if "chunked" in ",".join(values(fields, "transfer-encoding")).lower():
        read_chunked(reader, message)
    elif values(fields, "content-length"):
        wanted = int(values(fields, "content-length")[0])
        while len(reader.buffer) < wanted:
            try:
                reader.fill()
            except Ended:
                message["body"] = reader.buffer.decode("latin1")
                raise
        message["body"] = reader.exactly(wanted).decode("latin1")
    elif until_close:
        data, how = reader.rest()
        message["body"] = data.decode("latin1")
        raise Ended(how)


def read_request(reader, before_body=lambda message: None):
    """The origin's view: {line, headers, body, trailers?}; before_body may answer 100."""
    line, fields = read_head(reader)
    message = {"line": line, "headers": fields, "body": ""}
    before_body(message)
    try:
        read_body(reader, message, False)
    except Ended as end:
        message["cut"] = True
        end.message = message
        raise
    return message


def read_response(reader, method, responses):
    """The client's view; interim responses are appended to `responses` as well."""
    while True:
        line, fields = read_head(reader)
        message = {"line": line, "headers": fields, "body": ""}
        responses.append(message)
        status = int(line.split(" ")[1])
        if status == 101:
            return
        if status >= 200:
            break
    if method == "HEAD" or status in (204, 304) or method == "CONNECT" and status == 200:
        return
    try:
        read_body(reader, message, True)
    except Ended as end:
        if end.how != "closed" or values(fields, "content-length") or \
                values(fields, "transfer-encoding"):
            message["cut"] = True
        raise
