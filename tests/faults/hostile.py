# SPDX-License-Identifier: Apache-2.0
"""Origins that break the rules on demand, and remember who asked what on which connection.

/ok/TOKEN is answered as it should be, with TOKEN. /fault/NAME/TOKEN runs the fault of that name; the
connection stays open where the fault does not end it, so that a proxy which uses it again is seen.
/flaky/NAME/COUNT/TOKEN runs the fault for the first COUNT attempts, then answers.
"""

import collections
import socket
import struct
import threading
import time

import h2.config
import h2.connection
import h2.events
import h2.exceptions

import upstreams

OK = b"HTTP/1.1 200 OK\r\n"
EXTRA = b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\npoisoned"

# Heads that are none: nothing of them goes on, the answer is 502.
HEADS = {
    "lf_only": b"HTTP/1.1 200 OK\ncontent-length: 2\n\nok",
    "length_and_chunked": OK + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n"
                               b"2\r\nok\r\n0\r\n\r\n",
    "two_lengths": OK + b"content-length: 2\r\ncontent-length: 3\r\n\r\nok",
    "list_of_lengths": OK + b"content-length: 2, 3\r\n\r\nok",
    "negative_length": OK + b"content-length: -1\r\n\r\nok",
    "length_no_number": OK + b"content-length: 2x\r\n\r\nok",
    "length_over_64_bits": OK + b"content-length: 18446744073709551618\r\n\r\nok",
    "chunked_not_last": OK + b"transfer-encoding: chunked, gzip\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "chunked_twice": OK + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n"
                          b"2\r\nok\r\n0\r\n\r\n",
    "status_99": b"HTTP/1.1 99 Low\r\ncontent-length: 2\r\n\r\nok",
    "status_1000": b"HTTP/1.1 1000 High\r\ncontent-length: 2\r\n\r\nok",
    "status_no_number": b"HTTP/1.1 2x0 OK\r\ncontent-length: 2\r\n\r\nok",
    "nul_in_value": OK + b"x-a: a\x00b\r\ncontent-length: 2\r\n\r\nok",
    "cr_in_value": OK + b"x-a: a\rb\r\ncontent-length: 2\r\n\r\nok",
    "blank_before_colon": OK + b"content-length : 2\r\n\r\nok",
    "folded_line": OK + b"x-a: a\r\n b\r\ncontent-length: 2\r\n\r\nok",
    "no_colon": OK + b"nothing\r\ncontent-length: 2\r\n\r\nok",
    "empty_name": OK + b": a\r\ncontent-length: 2\r\n\r\nok",
    "unasked_101": b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n"
                   b"connection: upgrade\r\n\r\n",
    "endless_interim": b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" * 10_000,
    "head_too_large": OK + b"x-a: " + b"a" * 400_000 + b"\r\ncontent-length: 2\r\n\r\nok",
    "too_many_fields": OK + b"".join(b"x-%d: a\r\n" % n for n in range(5000)) +
                       b"content-length: 2\r\n\r\nok",
    "other_protocol": b"ICY 200 OK\r\ncontent-length: 2\r\n\r\nok",
    "http2_version": b"HTTP/2.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
    "garbage": b"\x16\x03\x01\x00\xff\x00 no HTTP \xff\xfe\r\n\r\n",
    "body_only": b"<html>no head</html>\r\n\r\n",
}

# Bodies that do not keep what the head promised: the answer begins and is broken off.
BODIES = {
    "short_body": (OK + b"content-length: 1000\r\n\r\nshort", "close"),
    "short_chunks": (OK + b"transfer-encoding: chunked\r\n\r\n5\r\nshort\r\n", "close"),
    "short_in_a_chunk": (OK + b"transfer-encoding: chunked\r\n\r\n50\r\nshort", "close"),
    "reset_in_body": (OK + b"content-length: 1000\r\n\r\nshort", "reset"),
    "reset_in_chunks": (OK + b"transfer-encoding: chunked\r\n\r\n5\r\nshort\r\n", "reset"),
    "chunk_size_no_number": (OK + b"transfer-encoding: chunked\r\n\r\n5\r\nshort\r\nzz\r\n", None),
    "chunk_size_negative": (OK + b"transfer-encoding: chunked\r\n\r\n5\r\nshort\r\n-1\r\n", None),
    "chunk_size_too_big": (OK + b"transfer-encoding: chunked\r\n\r\n5\r\nshort\r\n"
                                b"10000000000000005\r\nshort", None),
    "chunk_without_end": (OK + b"transfer-encoding: chunked\r\n\r\n5\r\nshortXX5\r\n", None),
    "chunk_line_lf": (OK + b"transfer-encoding: chunked\r\n\r\n5\r\nshort\r\n5\nlater\r\n", None),
    "bad_trailer": (OK + b"transfer-encoding: chunked\r\n\r\n5\r\nshort\r\n0\r\nx y: 1\r\n\r\n",
                    None),
}

# Right answers with something behind them: the answer is whole, the connection is not used again.
ADDITIONS = {
    "longer_than_length": (OK + b"content-length: 2\r\n\r\nok" + EXTRA, 200, b"ok"),
    "more_after_chunks": (OK + b"transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n" + EXTRA,
                          200, b"ok"),
    "body_of_204": (b"HTTP/1.1 204 None\r\n\r\n" + EXTRA, 204, b""),
    "body_of_304": (b"HTTP/1.1 304 Same\r\ncontent-length: 8\r\n\r\npoisoned", 304, b""),
}

# No answer at all.
CLOSES = {
    "close": (b"", "close"), "reset": (b"", "reset"), "half_close": (b"", "half_close"),
    "close_in_head": (OK + b"content-le", "close"), "reset_in_head": (OK + b"x-a: 1", "reset"),
    "close_after_interim": (b"HTTP/1.1 103 Early Hints\r\n\r\n", "close"),
}


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


class Origin:
    """What each kind of origin shares: who asked what, where."""

    def __init__(self):
        self.lock = threading.Lock()
        self.attempts = collections.Counter()  # by path
        self.poisoned = []                     # requests on a connection that had a fault
        self.gone = threading.Event()
        self.server = upstreams.RawServer(self.talk_safely)
        self.port = self.server.port

    def close(self):
        self.gone.set()
        self.server.close()

    def talk_safely(self, connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self.talk(connection)
        except (OSError, h2.exceptions.ProtocolError):
            pass
        finally:
            connection.close()

    def fault_of(self, path, had_fault):
        """The fault that this request is to meet, or None."""
        with self.lock:
            self.attempts[path] += 1
            number = self.attempts[path]
            if had_fault:
                self.poisoned.append((had_fault, path))
        kind, _, rest = path.lstrip("/").partition("/")
        if kind == "fault":
            return rest.partition("/")[0]
        if kind == "flaky":
            name, count, _ = rest.split("/", 2)
            return name if number <= int(count) else None
        return None


class Http1Origin(Origin):
    def talk(self, connection):
        had_fault, left = None, b""
        while True:
            while b"\r\n\r\n" not in left:
                data = connection.recv(65536)
                if not data:
                    return
                left += data
            head, _, left = left.partition(b"\r\n\r\n")
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
            length = int(fields.get(b"content-length", 0))
            while len(left) < length:
                left += connection.recv(65536)
            left = left[length:]
            method, path = head.split(b" ", 2)[:2]
            path = path.decode("latin1")
            fault = self.fault_of(path, had_fault)
            if fault is None:
                token = path.rpartition("/")[2].encode()
                connection.sendall(OK + b"content-length: %d\r\n\r\n" % len(token) +
                                   (b"" if method == b"HEAD" else token))
                continue
            had_fault = fault
            if not self.misbehave(connection, fault):
                return

    def misbehave(self, connection, fault):
        """False if the connection is over."""
        if fault in HEADS:
            connection.sendall(HEADS[fault])
            return True
        if fault in ADDITIONS:
            connection.sendall(ADDITIONS[fault][0])
            return True
        if fault == "slow_head":
            while not self.gone.wait(0.1):
                connection.sendall(b"HTTP/1.1 200 OK\r\nx-slow: "[:1])
            return False
        if fault == "length_of_head":
            connection.sendall(OK + b"content-length: 4\r\n\r\nbody")
            return True
        data, end = BODIES.get(fault) or CLOSES[fault]
        connection.sendall(data)
        if end == "reset":
            time.sleep(0.05)  # what was sent is read before the reset throws it away
            reset(connection)
        elif end == "half_close":
            connection.shutdown(socket.SHUT_WR)
        return end in (None, "half_close")


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(
        ">I", stream) + payload


DATA, HEADERS, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = (
    0, 1, 3, 4, 5, 6, 7, 8, 9)


def literal(name, value):
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


def head(stream, *fields, end=False, status=b"200"):
    block = b"".join(literal(*field) for field in ((b":status", status), *fields))
    return frame(HEADERS, 5 if end else 4, stream, block)


# name: (frames for a stream, what the client must see). The connection is left open.
HTTP2 = {
    "no_status": (lambda s: frame(HEADERS, 5, s, literal(b"x-a", b"b")), "bad"),
    "status_99": (lambda s: head(s, end=True, status=b"99"), "bad"),
    "status_1000": (lambda s: head(s, end=True, status=b"1000"), "bad"),
    "status_twice": (lambda s: head(s, (b":status", b"200"), end=True), "bad"),
    "upper_case": (lambda s: head(s, (b"X-A", b"b"), end=True), "bad"),
    "nul_in_value": (lambda s: head(s, (b"x-a", b"a\x00b"), end=True), "bad"),
    "lf_in_value": (lambda s: head(s, (b"x-a", b"a\nb: c"), end=True), "bad"),
    "connection_field": (lambda s: head(s, (b"transfer-encoding", b"chunked"), end=True), "bad"),
    "request_pseudo": (lambda s: head(s, (b":path", b"/"), end=True), "bad"),
    "unasked_101": (lambda s: head(s, status=b"101"), "bad"),
    "endless_interim": (lambda s: head(s, status=b"103") * 10_000, "bad"),
    "interim_ends": (lambda s: head(s, status=b"103", end=True), "bad"),
    "length_negative": (lambda s: head(s, (b"content-length", b"-1"), end=True), "bad"),
    "two_lengths": (lambda s: head(s, (b"content-length", b"1"), (b"content-length", b"2")) +
                    frame(DATA, 1, s, b"a"), "bad"),
    "data_first": (lambda s: frame(DATA, 1, s, b"body"), "bad"),
    "refused": (lambda s: frame(RST, 0, s, struct.pack(">I", 7)), "gone"),
    "reset": (lambda s: frame(RST, 0, s, struct.pack(">I", 2)), "gone"),
    "reset_no_error": (lambda s: frame(RST, 0, s, struct.pack(">I", 0)), "gone"),
    "goaway_0": (lambda s: frame(GOAWAY, 0, 0, struct.pack(">II", 0, 0)), "gone"),
    "goaway_error": (lambda s: frame(GOAWAY, 0, 0, struct.pack(">II", 0, 11)), "gone"),
    "garbage": (lambda s: b"\xff\xfe garbage " * 40, "bad"),
    "http1_answer": (lambda s: EXTRA * 10, "bad"),
    "frame_too_large": (lambda s: frame(DATA, 0, s, b"x" * 20_000)[:9] + b"x" * 20_000, "bad"),
    "settings_on_stream": (lambda s: frame(SETTINGS, 0, s), "bad"),
    "settings_length": (lambda s: frame(SETTINGS, 0, 0, b"12345"), "bad"),
    "window_0": (lambda s: frame(WINDOW, 0, 0, struct.pack(">I", 0)), "bad"),
    "window_one_beyond": (lambda s: frame(WINDOW, 0, 0, struct.pack(">I", 0x7fffffff - 65534)),
                          "bad"),
    "stream_window_overflow": (lambda s: frame(WINDOW, 0, s, struct.pack(">I", 0x7fffffff)),
                               "bad"),
    "stream_window_one_beyond": (lambda s: frame(WINDOW, 0, s, struct.pack(
        ">I", 0x7fffffff - 65534)), "bad"),
    "stream_window_0": (lambda s: frame(WINDOW, 0, s, struct.pack(">I", 0)), "bad"),
    "settings_window_beyond": (lambda s: frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 2**31)),
                               "bad"),
    "settings_lift_a_window_beyond": (lambda s: frame(WINDOW, 0, s, struct.pack(">I", 1)) + frame(
        SETTINGS, 0, 0, struct.pack(">HI", 4, 2**31 - 1)) + frame(
            SETTINGS, 0, 0, struct.pack(">HI", 4, 65535)), "bad"),
    "stream_window_full": (lambda s: frame(WINDOW, 0, s, struct.pack(
        ">I", 0x7fffffff - 65535)) + head(s) + frame(DATA, 1, s, b"whole"), "whole"),
    "window_overflow": (lambda s: frame(WINDOW, 0, 0, struct.pack(">I", 0x7fffffff)) * 2, "bad"),
    "push_promise": (lambda s: frame(PUSH, 4, s, struct.pack(">I", 2) + literal(b":path", b"/")),
                     "bad"),
    "hpack_bad_index": (lambda s: frame(HEADERS, 5, s, b"\xff\xff\xff\xff\x7f"), "bad"),
    "continuation_alone": (lambda s: frame(CONTINUATION, 4, s, b""), "bad"),
    "continuation_flood": (lambda s: frame(HEADERS, 0, s, literal(b":status", b"200")) +
                           frame(CONTINUATION, 0, s) * 10_000, "bad"),
    "ping_flood": (lambda s: frame(PING, 0, 0, b"12345678") * 20_000, "bad"),
    "settings_flood": (lambda s: frame(SETTINGS, 0, 0) * 20_000, "bad"),
    "empty_data_flood": (lambda s: head(s) + frame(DATA, 0, s) * 20_000, "cut"),
    "head_too_large": (lambda s: frame(HEADERS, 0, s, literal(b":status", b"200")) + b"".join(
        frame(CONTINUATION, 0, s, literal(b"x-a", b"a" * 100) * 100) for _ in range(50)) +
        frame(CONTINUATION, 4, s), "bad"),
    "reset_in_body": (lambda s: head(s, (b"content-length", b"100")) + frame(DATA, 0, s, b"short") +
                      frame(RST, 0, s, struct.pack(">I", 2)), "cut"),
    "reset_no_error_in_body": (lambda s: head(s) + frame(DATA, 0, s, b"short") +
                               frame(RST, 0, s, struct.pack(">I", 0)), "cut"),
    "short_of_length": (lambda s: head(s, (b"content-length", b"100")) +
                        frame(DATA, 1, s, b"short"), "cut"),
    "longer_than_length": (lambda s: head(s, (b"content-length", b"2")) +
                           frame(DATA, 1, s, b"longer"), "cut"),
    "padding_too_long": (lambda s: head(s) + frame(DATA, 8, s, b"\xffab"), "cut"),
    "trailers_without_end": (lambda s: head(s) + frame(DATA, 0, s, b"short") +
                             frame(HEADERS, 4, s, literal(b"x-a", b"b")), "cut"),
    "goaway_in_body": (lambda s: head(s) + frame(DATA, 0, s, b"short") +
                       frame(GOAWAY, 0, 0, struct.pack(">II", 0, 2)), "cut"),
    "goaway_then_answer": (lambda s: frame(GOAWAY, 0, 0, struct.pack(">II", s, 0)) + head(s) +
                           frame(DATA, 1, s, b"whole"), "whole"),
}
# Those after which the connection itself may go on: the fault was the stream's.
STREAM_FAULTS = {"refused", "reset", "reset_no_error", "reset_in_body", "reset_no_error_in_body",
                 "short_of_length", "longer_than_length", "stream_window_overflow",
                 "stream_window_one_beyond", "stream_window_full",
                 "settings_lift_a_window_beyond"}


class Http2Origin(Origin):
    def talk(self, connection):
        server = h2.connection.H2Connection(h2.config.H2Configuration(
            client_side=False, header_encoding="latin1"))
        server.initiate_connection()
        had_fault = None
        while True:
            connection.sendall(server.data_to_send())
            data = connection.recv(65536)
            if not data:
                return
            for event in server.receive_data(data):
                if not isinstance(event, h2.events.RequestReceived):
                    continue
                stream, path = event.stream_id, dict(event.headers)[":path"]
                fault = self.fault_of(path, had_fault)
                if fault is not None:
                    connection.sendall(server.data_to_send())
                    connection.sendall(HTTP2[fault][0](stream))
                    if fault not in STREAM_FAULTS:
                        had_fault = fault
                elif not had_fault:
                    server.send_headers(stream, [(":status", "200")])
                    server.send_data(stream, path.rpartition("/")[2].encode(), end_stream=True)
                else:
                    return  # it should not have been asked: the test fails at once
