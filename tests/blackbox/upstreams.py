# SPDX-License-Identifier: Apache-2.0
"""Upstream services: what a proxy forwards to. Each has a port of its own and says what it got."""

import base64
import hashlib
import http.server
import json
import socket
import socketserver
import ssl
import struct
import threading
from concurrent import futures

import grpc

WEBSOCKET_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class EchoHandler(http.server.BaseHTTPRequestHandler):
    """Paths under /do/ misbehave on demand; everything else is answered with what came."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def log_message(self, *_):
        pass

    def read_body(self):
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("content-length", 0)))
        body = b""
        while True:
            size = int(self.rfile.readline().split(b";")[0], 16)
            if size == 0:
                while self.rfile.readline().strip():
                    pass
                return body
            body += self.rfile.read(size)
            self.rfile.readline()

    def answer(self, status=200, body=b"", headers=()):
        self.send_response(status)
        self.send_header("x-upstream", self.server.owner.name)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def echo(self):
        body = self.read_body()
        content = json.dumps({
            "name": self.server.owner.name, "method": self.command, "path": self.path,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "body_bytes": len(body), "body_sha256": hashlib.sha256(body).hexdigest(),
        }).encode()
        self.answer(body=content, headers=[("content-type", "application/json")])

    def handle_request(self):
        owner = self.server.owner
        with owner.lock:
            owner.requests += 1
            number = owner.requests
        path = self.path.partition("?")[0]
        if path == "/ws" and self.headers.get("upgrade", "").lower() == "websocket":
            self.websocket()
        elif path.startswith("/do/"):
            action, _, argument = path[len("/do/"):].partition("/")
            getattr(self, "do_" + action.replace("-", "_"))(argument, number)
        else:
            self.echo()

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_OPTIONS = do_PATCH = handle_request

    def do_status(self, argument, _):
        self.read_body()
        self.answer(int(argument), b"status " + argument.encode())

    def do_hold(self, argument, _):
        """Answers when the test calls release()."""
        self.read_body()
        with self.server.owner.lock:
            self.server.owner.held += 1
        self.server.owner.gate.wait(30)
        self.answer(body=b"released " + argument.encode())

    def do_hold_body(self, _, __):
        """The headers and half of the body now, the rest when the test calls release()."""
        self.read_body()
        self.send_response(200)
        self.send_header("content-length", "10")
        self.end_headers()
        self.wfile.write(b"first")
        self.wfile.flush()
        with self.server.owner.lock:
            self.server.owner.held += 1
        self.server.owner.gate.wait(30)
        self.wfile.write(b"later")

    def do_flaky(self, argument, number):
        """503 until the request of that number."""
        self.read_body()
        self.answer(200 if number >= int(argument) else 503, str(number).encode())

    def do_reset(self, _, __):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def do_garbage(self, _, __):
        self.wfile.write(b"\x00\x01\x02 this is no HTTP\r\n\r\n")
        self.wfile.flush()
        self.close_connection = True

    def do_cut(self, _, __):
        """Promises more than it sends."""
        self.send_response(200)
        self.send_header("content-length", "1000")
        self.end_headers()
        self.wfile.write(b"short")
        self.wfile.flush()
        self.close_connection = True

    def do_chunked(self, argument, _):
        self.send_response(200)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for _ in range(int(argument)):
            self.wfile.write(b"5\r\nchunk\r\n")
        self.wfile.write(b"0\r\n\r\n")

    def websocket(self):
        key = self.headers["sec-websocket-key"].encode()
        accept = base64.b64encode(hashlib.sha1(key + WEBSOCKET_GUID).digest()).decode()
        self.send_response(101)
        self.send_header("upgrade", "websocket")
        self.send_header("connection", "Upgrade")
        self.send_header("sec-websocket-accept", accept)
        self.end_headers()
        self.wfile.flush()
        self.close_connection = True
        while True:  # raw bytes back: enough to see that the tunnel is one
            data = self.connection.recv(65536)
            if not data:
                return
            self.connection.sendall(data)


class QuietServer(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 1024
    allow_reuse_address = True

    def handle_error(self, *_):
        pass  # clients that vanish are part of the tests


class EchoServer:
    def __init__(self, name, tls=None):
        self.name = name
        self.lock = threading.Lock()
        self.gate = threading.Event()
        self.requests = self.held = 0
        self.server = QuietServer(("127.0.0.1", 0), EchoHandler)
        self.server.owner = self
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def release(self):
        self.gate.set()

    def close(self):
        self.gate.set()
        self.server.shutdown()
        self.server.server_close()


class RawServer:
    """Takes connections and leaves them to `talk(connection)`."""

    def __init__(self, talk):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.accepted = 0
        self.talk = talk
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self.talk, args=(connection,), daemon=True).start()

    def close(self):
        self.socket.close()


class GrpcEcho(grpc.GenericRpcHandler):
    """/test.Echo/Unary, /test.Echo/Fail and /test.Echo/Chat over plain bytes."""

    def service(self, details):
        method = details.method.rpartition("/")[2]
        if method == "Unary":
            return grpc.unary_unary_rpc_method_handler(self.unary)
        if method == "Fail":
            return grpc.unary_unary_rpc_method_handler(self.fail)
        if method == "Chat":
            return grpc.stream_stream_rpc_method_handler(self.chat)
        return None

    @staticmethod
    def unary(request, context):
        context.set_trailing_metadata((("x-trailer", "unary"),))
        return request[::-1]

    @staticmethod
    def fail(_, context):
        context.set_trailing_metadata((("x-trailer", "fail"),))
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not today")

    @staticmethod
    def chat(requests, context):
        count = 0
        for request in requests:
            count += 1
            yield request.upper()
        context.set_trailing_metadata((("x-count", str(count)),))


class GrpcEchoServer:
    def __init__(self, name):
        self.name = name
        self.server = grpc.server(futures.ThreadPoolExecutor(16),
                                  options=[("grpc.so_reuseport", 0)])
        self.server.add_generic_rpc_handlers((GrpcEcho(),))
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()

    def close(self):
        self.server.stop(0)
