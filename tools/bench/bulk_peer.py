#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Both ends of very large transfers, in HTTP/1.1 and HTTP/2, with and without TLS. What reads does so in
bursts with pauses between, so that all that lies before it has to wait.

As a program it is an origin (bulk_peer.py http1|http2 [CERT KEY]): prints its port, answers GET /N with
N bytes, anything else, when its body has come, with the body's length in decimal.
"""

import socket
import ssl
import struct
import sys
import threading
import time

import hpack

PIECE = memoryview(bytes(1 << 20))
BURST_BYTES, PAUSE_SECONDS = 32 << 20, 0.02
DATA, HEADERS, RST, SETTINGS, PING, GOAWAY, WINDOW = 0, 1, 3, 4, 6, 7, 8
END_STREAM, END_HEADERS, ACK = 1, 4, 1
FRAME_BYTES, WINDOW_BYTES = 16384, 1 << 20
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload) << 8 | kind) + struct.pack(">BI", flags, stream) + payload


FULL_FRAMES = memoryview(frame(DATA, 0, 1, bytes(FRAME_BYTES)) * 32)


class Pace:
    """A pause after each burst."""

    def __init__(self):
        self.left = BURST_BYTES

    def took(self, count):
        self.left -= count
        if self.left <= 0:
            self.left = BURST_BYTES
            time.sleep(PAUSE_SECONDS)  # the slowness itself


class Http1:
    """One connection's bytes; a head is had as a whole, a body only counted."""

    def __init__(self, connection):
        self.connection, self.left, self.buffer = connection, b"", bytearray(1 << 18)

    def head(self):
        while b"\r\n\r\n" not in self.left:
            data = self.connection.recv(65536)
            if not data:
                return None, 0
            self.left += data
        head, _, self.left = self.left.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        lengths = [int(line.partition(":")[2]) for line in lines[1:]
                   if line.lower().startswith("content-length:")]
        return lines[0], lengths[0] if lengths else 0

    def count_body(self, length):
        """Reads it away but for its last bytes, which it returns."""
        pace, wanted, tail = Pace(), length - len(self.left), self.left[-32:]
        self.left = b""
        while wanted > 0:
            count = self.connection.recv_into(self.buffer, min(wanted, len(self.buffer)))
            assert count, f"ended {wanted} bytes early"
            wanted -= count
            tail = bytes(self.buffer[max(0, count - 32):count])
            pace.took(count)
        return tail

    def send_body(self, length):
        while length > 0:
            piece = PIECE[:min(length, len(PIECE))]
            self.connection.sendall(piece)
            length -= len(piece)

    def serve(self):
        while True:
            line, length = self.head()
            if line is None:
                return
            method, path, _ = line.split(" ")
            if method == "GET":
                size = int(path[1:])
                self.connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
                self.send_body(size)
            else:
                self.count_body(length)
                answer = b"%d" % length
                self.connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s"
                                        % (len(answer), answer))

    def download(self, size):
        self.connection.sendall(b"GET /%d HTTP/1.1\r\nhost: bulk\r\n\r\n" % size)
        line, length = self.head()
        assert line.startswith("HTTP/1.1 200 ") and length == size, (line, length)
        self.count_body(length)

    def upload(self, size):
        self.connection.sendall(
            b"POST /put HTTP/1.1\r\nhost: bulk\r\ncontent-length: %d\r\n\r\n" % size)
        self.send_body(size)
        line, length = self.head()
        assert line.startswith("HTTP/1.1 200 "), line
        assert int(self.count_body(length)) == size


class Http2:
    """One connection with one stream at a time; our window is a megabyte on both levels."""

    def __init__(self, connection):
        self.connection = connection
        self.buffer, self.begin, self.end = bytearray(1 << 18), 0, 0
        self.encoder, self.decoder = hpack.Encoder(), hpack.Decoder()
        self.initial_window, self.windows = 65535, {0: 65535}
        self.stream, self.fields, self.tail = 0, None, b""
        self.received, self.unacknowledged, self.is_ended = 0, 0, False
        self.pace = Pace()

    def greet(self, preface=b""):
        self.connection.sendall(
            preface + frame(SETTINGS, 0, 0, struct.pack(">HI", 4, WINDOW_BYTES)) +
            frame(WINDOW, 0, 0, struct.pack(">I", WINDOW_BYTES - 65535)))

    def fill(self):
        if self.begin == self.end:
            self.begin = self.end = 0
        elif self.begin and len(self.buffer) - self.end < FRAME_BYTES + 9:
            rest = bytes(self.buffer[self.begin:self.end])
            self.buffer[:len(rest)] = rest
            self.begin, self.end = 0, len(rest)
        count = self.connection.recv_into(memoryview(self.buffer)[self.end:])
        self.end += count
        return count > 0

    def turn(self):
        """Handles one frame; false at the end of the connection."""
        while self.end - self.begin < 9:
            if not self.fill():
                return False
        word, flags, stream = struct.unpack_from(">IBI", self.buffer, self.begin)
        length, kind = word >> 8, word & 255
        while self.end - self.begin < 9 + length:
            if not self.fill():
                return False
        start = self.begin + 9
        self.begin = start + length
        if kind == DATA:
            self.take_data(start, length, flags, stream)
        else:
            self.take(kind, flags, stream, bytes(self.buffer[start:start + length]))
        return True

    def take_data(self, start, length, flags, stream):
        self.received += length
        self.unacknowledged += length
        self.is_ended = bool(flags & END_STREAM)
        if length < 32:
            self.tail += bytes(self.buffer[start:start + length])
        if self.unacknowledged >= WINDOW_BYTES // 2:
            update = struct.pack(">I", self.unacknowledged)
            self.connection.sendall(frame(WINDOW, 0, 0, update) + (
                b"" if self.is_ended else frame(WINDOW, 0, stream, update)))
            self.unacknowledged = 0
        self.pace.took(length)

    def take(self, kind, flags, stream, payload):
        assert kind not in (RST, GOAWAY), (kind, payload)
        if kind == SETTINGS and not flags & ACK:
            for at in range(0, len(payload), 6):
                name, value = struct.unpack_from(">HI", payload, at)
                if name == 4:
                    for number in self.windows:
                        if number:
                            self.windows[number] += value - self.initial_window
                    self.initial_window = value
            self.connection.sendall(frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK:
            self.connection.sendall(frame(PING, ACK, 0, payload))
        elif kind == WINDOW:
            self.windows[stream] = self.window(stream) + struct.unpack(">I", payload)[0]
        elif kind == HEADERS:
            assert flags & END_HEADERS and not flags & 0x28
            self.fields = dict(self.decoder.decode(payload))
            self.stream, self.is_ended = stream, bool(flags & END_STREAM)

    def window(self, stream):
        return self.windows.get(stream, self.initial_window)

    def begin_message(self, stream, fields, is_end=False):
        self.connection.sendall(frame(HEADERS, END_HEADERS | (END_STREAM if is_end else 0), stream,
                                      self.encoder.encode(fields)))

    def send_body(self, stream, size):
        frames = FULL_FRAMES
        if stream != 1:
            frames = memoryview(frame(DATA, 0, stream, bytes(FRAME_BYTES)) * 32)
        self.windows.setdefault(stream, self.initial_window)
        last = min(size, FRAME_BYTES)  # ends the stream: the length alone tells the reader as much
        size -= last
        while size > 0 or min(self.windows[0], self.windows[stream]) < last:
            room = min(size, self.windows[0], self.windows[stream], FRAME_BYTES * 32)
            if room <= 0:
                assert self.turn(), "ended early"
                continue
            whole = room // FRAME_BYTES
            if whole:
                room = whole * FRAME_BYTES
                self.connection.sendall(frames[:whole * (FRAME_BYTES + 9)])
            else:
                self.connection.sendall(frame(DATA, 0, stream, bytes(room)))
            self.windows[0] -= room
            self.windows[stream] -= room
            size -= room
        self.connection.sendall(frame(DATA, END_STREAM, stream, bytes(last)))
        self.windows[0] -= last
        del self.windows[stream]

    def wait_for_end(self):
        """The message's fields and its body's length."""
        while not (self.fields and self.is_ended):
            assert self.turn(), "ended early"
        fields, count = self.fields, self.received
        self.fields, self.received, self.is_ended = None, 0, False
        return fields, count

    def serve(self):
        preface = b""
        while len(preface) < len(PREFACE):
            preface += self.connection.recv(len(PREFACE) - len(preface))
        self.greet()
        while True:
            while not (self.fields and self.is_ended):
                if not self.turn():
                    return
            fields, count = self.wait_for_end()
            is_get, answer = fields[":method"] == "GET", b"%d" % count
            length = fields[":path"][1:] if is_get else str(len(answer))
            self.begin_message(self.stream, [(":status", "200"), ("content-length", length)])
            if is_get:
                self.send_body(self.stream, int(length))
            else:
                self.connection.sendall(frame(DATA, END_STREAM, self.stream, answer))

    def ask(self, method, path, number, more=()):
        if number == 1:
            self.greet(PREFACE)
        self.tail = b""
        self.begin_message(number, [(":method", method), (":path", path), (":scheme", "http"),
                                    (":authority", "bulk"), *more], method == "GET")

    def download(self, size, number=1):
        self.ask("GET", f"/{size}", number)
        fields, count = self.wait_for_end()
        assert fields[":status"] == "200" and count == size, (fields, count)

    def upload(self, size, number=1):
        self.ask("POST", "/put", number, [("content-length", str(size))])
        self.send_body(number, size)
        fields, _ = self.wait_for_end()
        assert fields[":status"] == "200" and int(self.tail) == size, (fields, self.tail)


KINDS = {"http1": (Http1, "http/1.1"), "http2": (Http2, "h2")}


def connect(kind, port, ca=None):
    """A client of that kind."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=120)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    made, protocol = KINDS[kind]
    if ca:
        context = ssl.create_default_context(cafile=ca)
        context.set_alpn_protocols([protocol])
        connection = context.wrap_socket(connection, server_hostname="localhost")
        assert connection.selected_alpn_protocol() == protocol
    return made(connection)


def main(kind, *pair):
    made, protocol = KINDS[kind]
    listening = socket.create_server(("127.0.0.1", 0))
    context = None
    if pair:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*pair)
        context.set_alpn_protocols([protocol])
    print(listening.getsockname()[1], flush=True)

    def serve(connection):
        if context:
            connection = context.wrap_socket(connection, server_side=True)
        with connection:
            made(connection).serve()

    while True:
        accepted, _ = listening.accept()
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=serve, args=(accepted,), daemon=True).start()


if __name__ == "__main__":
    main(*sys.argv[1:])
