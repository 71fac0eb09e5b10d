# SPDX-License-Identifier: Apache-2.0
"""Traffic of every kind through one edge, until stopped: what was not as it should be is kept.

HTTP/1.1 and HTTP/2 by h2load in rounds, HTTP/2 over TLS by a client that heeds GOAWAY, gRPC by
grpcio, WebSocket tunnels that say something now and then, and a new connection for each request.
"""

import re
import shutil
import socket
import ssl
import subprocess
import threading

import grpc
import hpack
import hyperframe.frame
import pytest

import programs

HANDSHAKE = (b"GET /ws HTTP/1.1\r\nhost: faults\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
             b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")


class Traffic:
    def __init__(self, port, tls_port=None, ca=None, per_round=2000):
        self.port, self.tls_port, self.ca, self.per_round = port, tls_port, ca, per_round
        self.good, self.bad = {}, []
        self.is_over = threading.Event()
        self.lock = threading.Lock()
        self.threads = []
        self.h2load = shutil.which("h2load")
        if self.h2load is None:
            pytest.skip("h2load is not installed")

    def start(self):
        kinds = [(self.load, "h1", ["--h1", "-c", "8"], "http", self.port),
                 (self.load, "h2c", ["-c", "4", "-m", "8"], "http", self.port)]
        if self.tls_port:
            kinds += [(self.http2_over_tls,), (self.http2_over_tls,),
                      (self.load, "h1-tls", ["--h1", "-c", "3"], "https", self.tls_port)]
        kinds += [(self.unary,), (self.chat,), (self.websocket,), (self.websocket,),
                  (self.new_connections,)]
        self.start_kinds(kinds)

    def start_kinds(self, kinds):
        for kind, *arguments in kinds:
            thread = threading.Thread(target=self.guard, args=(kind, arguments), daemon=True)
            thread.start()
            self.threads.append(thread)

    def guard(self, kind, arguments):
        try:
            kind(*arguments)
        except Exception as error:  # pylint: disable=broad-exception-caught
            with self.lock:
                self.bad.append(f"{kind.__name__}: {error!r}")

    def count(self, name, number=1):
        with self.lock:
            self.good[name] = self.good.get(name, 0) + number

    def total(self):
        with self.lock:
            return sum(self.good.values())

    def stop(self):
        self.is_over.set()
        for thread in self.threads:
            thread.join(60)
            assert not thread.is_alive(), "a client hangs"
        assert not self.bad, f"{len(self.bad)} failures, {self.total()} successes: {self.bad[:5]}"
        return dict(self.good)

    def load(self, name, options, scheme, port):
        while not self.is_over.is_set():
            result = subprocess.run(
                [self.h2load, *options, "-n", str(self.per_round),
                 f"{scheme}://localhost:{port}/load"],
                capture_output=True, text=True, timeout=120, check=True)
            # It makes no new connection where one ended in order: what it did not begin is no failed
            # request, what it began has to be a 200.
            begun = int(re.search(r"(\d+) started", result.stdout)[1])
            good = int(re.search(r"status codes: (\d+) 2xx", result.stdout)[1])
            self.count(name, good)
            if good != begun or not begun:
                with self.lock:
                    self.bad.append(f"{name}: {result.stdout[-900:]}")

    def http2_over_tls(self):
        context = ssl.create_default_context(cafile=self.ca)
        context.set_alpn_protocols(["h2"])
        while not self.is_over.is_set():
            with programs.connect(self.tls_port) as plain:
                with context.wrap_socket(plain, server_hostname="localhost") as connection:
                    self.count("h2-tls-connections")
                    streams = Http2Streams(connection)
                    while not self.is_over.is_set() and not streams.is_going_away:
                        self.count("h2-tls", streams.ask(8))

    def new_connections(self):
        while not self.is_over.is_set():
            with programs.connect(self.port) as connection:
                connection.sendall(b"GET /new HTTP/1.1\r\nhost: faults\r\nconnection: close\r\n\r\n")
                answer = b""
                while data := connection.recv(65536):
                    answer += data
            assert answer.startswith(b"HTTP/1.1 200 "), answer[:200]
            self.count("new")

    def channel(self):
        return grpc.insecure_channel(f"localhost:{self.port}", [
            ("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1),
            ("grpc.enable_retries", 0)])

    def unary(self):
        with self.channel() as channel:
            call = channel.unary_unary("/test.Echo/Unary")
            while not self.is_over.is_set():
                assert call(b"abc", timeout=20) == b"cba"
                self.count("grpc")

    def chat(self):
        """One stream for the whole time; each message is answered before the next."""
        turn = threading.Semaphore(1)

        def requests():
            while not self.is_over.is_set():
                assert turn.acquire(timeout=20)
                yield b"abc"
                self.is_over.wait(0.005)

        with self.channel() as channel:
            for answer in channel.stream_stream("/test.Echo/Chat")(requests(), timeout=600):
                assert answer == b"ABC"
                self.count("chat")
                turn.release()

    def websocket(self):
        with programs.connect(self.port) as connection:
            open_tunnel(connection)
            number = 0
            while not self.is_over.wait(0.01):
                number += 1
                say(connection, b"message %d" % number)
                self.count("websocket")


class Http2Streams:
    """Batches of requests on one connection. After a GOAWAY those that it covers must end well; one
    that was on its way already and is above its last id failed: a graceful server sees to it that
    there is none (RFC 9113 §6.8)."""

    def __init__(self, connection):
        self.connection, self.left = connection, b""
        self.encoder, self.decoder = hpack.Encoder(), hpack.Decoder()
        self.next_id, self.last_id = 1, 2**31 - 1
        self.is_going_away = False
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" +
                           hyperframe.frame.SettingsFrame(0).serialize() +
                           hyperframe.frame.WindowUpdateFrame(0, window_increment=2**30).serialize())

    def ask(self, count):
        """How many were answered; all that were sent."""
        waiting, out = set(), b""
        for _ in range(count):
            out += hyperframe.frame.HeadersFrame(self.next_id, self.encoder.encode([
                (":method", "GET"), (":path", "/h2"), (":scheme", "https"),
                (":authority", "localhost")]), flags=["END_HEADERS", "END_STREAM"]).serialize()
            waiting.add(self.next_id)
            self.next_id += 2
        self.connection.sendall(out)
        while waiting:
            data = self.connection.recv(65536)
            assert data, f"closed with {sorted(waiting)} open, last id {self.last_id}"
            self.left += data
            while (frame := self.take()) is not None:
                self.handle(frame, waiting)
        return count

    def take(self):
        if len(self.left) < 9:
            return None
        frame, length = hyperframe.frame.Frame.parse_frame_header(memoryview(self.left[:9]))
        if len(self.left) < 9 + length:
            return None
        frame.parse_body(memoryview(self.left[9:9 + length]))
        self.left = self.left[9 + length:]
        return frame

    def handle(self, frame, waiting):
        if isinstance(frame, hyperframe.frame.GoAwayFrame):
            assert frame.error_code == 0, frame
            self.is_going_away, self.last_id = True, frame.last_stream_id
            refused = [number for number in waiting if number > self.last_id]
            assert not refused, f"sent, and not covered by {frame}: {refused}"
        elif isinstance(frame, hyperframe.frame.RstStreamFrame):
            raise AssertionError(f"reset: {frame}")
        elif isinstance(frame, hyperframe.frame.HeadersFrame):
            fields = dict(self.decoder.decode(frame.data))
            assert fields.get(":status") == "200", fields
        elif isinstance(frame, hyperframe.frame.SettingsFrame) and "ACK" not in frame.flags:
            self.connection.sendall(hyperframe.frame.SettingsFrame(0, flags=["ACK"]).serialize())
        if "END_STREAM" in frame.flags:
            waiting.discard(frame.stream_id)


def open_tunnel(connection):
    connection.sendall(HANDSHAKE)
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        data = connection.recv(1)
        assert data, f"closed: {answer}"
        answer += data
    assert answer.startswith(b"HTTP/1.1 101 "), answer


def say(connection, message):
    connection.sendall(message)
    answer = b""
    while len(answer) < len(message):
        data = connection.recv(65536)
        assert data, "the tunnel was cut"
        answer += data
    assert answer == message


FIXED = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nfixed"


class FastServer:
    """An HTTP/1.1 server that is no bottleneck: a fixed answer for each head; /ws is a tunnel."""

    def __init__(self):
        self.requests = 0
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = self.socket.getsockname()[1]
        self.is_closed = False
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while not self.is_closed:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            left = b""
            try:
                while data := connection.recv(65536):
                    left += data
                    count = left.count(b"\r\n\r\n")
                    if not count:
                        continue
                    if left.startswith(b"GET /ws "):
                        self.tunnel(connection)
                        return
                    left = left[left.rindex(b"\r\n\r\n") + 4:]
                    self.requests += count
                    connection.sendall(FIXED * count)
            except OSError:
                pass

    @staticmethod
    def tunnel(connection):
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n"
                           b"connection: Upgrade\r\n"
                           b"sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
        while data := connection.recv(65536):
            connection.sendall(data)

    def close(self):
        self.is_closed = True
        self.socket.close()
