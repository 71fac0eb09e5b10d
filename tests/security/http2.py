# SPDX-License-Identifier: Apache-2.0
"""The client's side of HTTP/2 as raw frames: nothing here keeps a caller from being hostile."""

import select
import struct
import time

import hpack

import wire

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, \
    CONTINUATION = range(10)
END_STREAM = ACK = 1
END_HEADERS, PADDED, WITH_PRIORITY = 4, 8, 32
NAMES = {name: number for number, name in enumerate(
    ["DATA", "HEADERS", "PRIORITY", "RST_STREAM", "SETTINGS", "PUSH_PROMISE", "PING", "GOAWAY",
     "WINDOW_UPDATE", "CONTINUATION"])}


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def integer(value, bits, first):
    """An HPACK integer whose first byte's upper bits are `first`."""
    limit = (1 << bits) - 1
    if value < limit:
        return bytes([first | value])
    result, value = bytes([first | limit]), value - limit
    while value >= 128:
        result, value = result + bytes([value & 127 | 128]), value >> 7
    return result + bytes([value])


def literal(name, value, first=0x00):
    """A field as it stands, without the table and without Huffman; 0x40 puts it into the table."""
    return (bytes([first]) + integer(len(name), 7, 0) + name + integer(len(value), 7, 0) + value)


def block(fields):
    return b"".join(literal(name, value) for name, value in fields)


def request(method=b"GET", path=b"/", scheme=b"http", authority=b"a"):
    return [(b":method", method), (b":scheme", scheme), (b":path", path),
            (b":authority", authority)]


class Frame:
    def __init__(self, kind, flags, stream, payload):
        self.kind, self.flags, self.stream, self.payload = kind, flags, stream, payload

    @property
    def code(self):
        return struct.unpack(">I", self.payload[4:8] if self.kind == GOAWAY
                             else self.payload[:4])[0]


class Client:
    """One connection; the settings are exchanged unless told otherwise."""

    def __init__(self, port, settings=b"", preface=PREFACE, sock=None):
        self.socket = sock or wire.connect(port)
        self.data, self.is_ended = b"", False
        self.decoder = hpack.Decoder()
        self.frames = []
        self.send(preface + frame(SETTINGS, 0, 0, settings))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError:
            self.is_ended = True

    def feed(self):
        """Takes what is there; returns whether the connection goes on."""
        try:
            data = self.socket.recv(262144)
        except BlockingIOError:
            return True
        except OSError:
            data = b""
        self.data += data
        self.is_ended = self.is_ended or not data
        while len(self.data) >= 9:
            length = int.from_bytes(self.data[:3], "big")
            if len(self.data) < 9 + length:
                break
            kind, flags, stream = struct.unpack(">BBI", self.data[3:9])
            self.frames.append(Frame(kind, flags, stream & 0x7fffffff, self.data[9:9 + length]))
            self.data = self.data[9 + length:]
        return bool(data)

    def is_readable(self, seconds=0):
        return bool(select.select([self.socket], [], [], seconds)[0])

    def wait(self, condition, seconds=wire.TIMEOUT):
        """The first true condition(frame), else None when the connection or the time has ended."""
        deadline, seen = time.monotonic() + seconds, 0
        while True:
            for received in self.frames[seen:]:
                if condition(received):
                    return received
            seen = len(self.frames)
            if self.is_ended or not self.is_readable(max(0, deadline - time.monotonic())):
                return None
            self.feed()

    def handshake(self):
        """Settings are exchanged; a smaller HPACK table is not acknowledged, since the next block
        would have to begin with the change of its size, and blocks here are as the cases say."""
        theirs = self.wait(lambda f: f.kind == SETTINGS and not f.flags & ACK)
        assert theirs
        sizes = [int.from_bytes(theirs.payload[at + 2:at + 6], "big")
                 for at in range(0, len(theirs.payload), 6) if theirs.payload[at + 1] == 1]
        if all(size >= 4096 for size in sizes):
            self.send(frame(SETTINGS, ACK, 0))
        assert self.wait(lambda f: f.kind == SETTINGS and f.flags & ACK)
        return self

    def status(self, received):
        return int(dict(self.decoder.decode(received.payload))[":status"])

    def verdict(self, stream, seconds=wire.TIMEOUT):
        """What became of a stream: its :status, "reset CODE", "goaway CODE" or "closed"."""
        found = self.wait(lambda f: f.kind == GOAWAY and f.code != 0 or f.stream == stream and
                          (f.kind == RST_STREAM or f.kind == HEADERS), seconds)
        if found is None:
            return "closed" if self.is_ended else "nothing"
        if found.kind == HEADERS:
            return self.status(found)
        return f"{'reset' if found.kind == RST_STREAM else 'goaway'} {found.code}"
