# SPDX-License-Identifier: Apache-2.0
"""The recorder origin: answers by script and notes what it was asked, byte for byte."""

import socket
import ssl
import threading
import time

import h2.exceptions

import cases
import h2_origin
import wire

IDLE_SECONDS = 20


class Origin:
    """One per case, proxy and name. `spec` is the case's `origins` entry; see the README."""

    def __init__(self, spec, certs):
        self.spec = spec
        self.requests = []
        self.connections = 0
        self.sockets = []
        self.lock = threading.Lock()
        self.server = socket.socket()
        self.server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.server.bind(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.tls = make_tls(spec["tls"], certs) if "tls" in spec else None
        self.next_answer = 0
        if spec.get("mode") == "full":
            self.fill_backlog()
        elif spec.get("mode") != "refuse":
            self.server.listen(128)
            threading.Thread(target=self.accept, daemon=True).start()

    def fill_backlog(self):
        """Connects until the kernel answers no more, so that the proxy's SYN gets no answer."""
        self.server.listen(0)
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", self.port))
            self.sockets.append(filler)

    def accept(self):
        while True:
            try:
                sock, _ = self.server.accept()
            except OSError:
                return
            with self.lock:
                self.connections += 1
                self.sockets.append(sock)
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        try:
            if self.tls:
                sock.settimeout(IDLE_SECONDS)
                sock = self.tls.wrap_socket(sock, server_side=True)
                with self.lock:
                    self.sockets.append(sock)
            protocol = self.spec.get("protocol", "h1")
            {"h1": self.serve_h1, "h2": self.serve_h2, "tcp": self.serve_tcp}[protocol](sock)
        except (OSError, ValueError, wire.Ended, h2.exceptions.H2Error):
            pass
        finally:
            # Without shutdown a close leaves the peer waiting while another thread holds the file.
            try:
                sock.close()
            except OSError:
                pass

    def take_answer(self):
        """The script's next answer; the last one is given again and again."""
        script = self.spec.get("script") or [{}]
        with self.lock:
            answer = script[min(self.next_answer, len(script) - 1)]
            self.next_answer += 1
        return answer

    def record(self, message):
        with self.lock:
            self.requests.append(message)

    def serve_h1(self, sock):
        reader = wire.Reader(sock, IDLE_SECONDS)
        while True:
            reader.allow(IDLE_SECONDS)
            answer = {}

            def before_body(message, answer=answer):
                answer.update(self.take_answer())
                if answer.get("interim"):
                    sock.sendall(cases.expand(answer["interim"]).encode("latin1"))
                if answer.get("act") == "answer_early":
                    self.record(message)
                    self.answer_h1(sock, message, dict(answer, act=None))

            try:
                message = wire.read_request(reader, before_body)
            except wire.Ended as end:
                if hasattr(end, "message") and answer.get("act") != "answer_early":
                    self.record(end.message)
                return
            if answer.get("act") != "answer_early":
                self.record(message)
                if not self.answer_h1(sock, message, answer):
                    return
            if answer.get("upgraded"):
                self.echo(sock, reader, message)
                return

    def echo(self, sock, reader, message):
        message["upgraded"] = ""
        while True:
            data, reader.buffer = reader.buffer, b""
            message["upgraded"] += data.decode("latin1")
            if data:
                sock.sendall(b"<" + data + b">")
            reader.fill()

    def answer_h1(self, sock, message, answer):
        """False if the connection is over."""
        time.sleep(answer.get("delay", 0))
        act = answer.get("act")
        if act == "hang":
            time.sleep(answer.get("hang", 5))
            return False
        if act == "close":
            return False
        if act == "reset":
            reset(sock)
            return False
        if "raw" in answer:
            for piece in answer["raw"] if isinstance(answer["raw"], list) else [answer["raw"]]:
                if isinstance(piece, dict) and "sleep" in piece:
                    time.sleep(piece["sleep"])
                else:
                    sock.sendall(cases.expand(piece).encode("latin1"))
        else:
            sock.sendall(render(message, answer))
        if act == "then_reset":
            reset(sock)
        return act not in ("then_close", "then_reset")

    def serve_h2(self, sock):
        h2_origin.serve(sock, self)

    def serve_tcp(self, sock):
        """Says its greeting, notes what comes, and answers each piece as the script says."""
        message = {"bytes": ""}
        self.record(message)
        answer = self.take_answer()
        if answer.get("greeting"):
            sock.sendall(cases.expand(answer["greeting"]).encode("latin1"))
        sock.settimeout(IDLE_SECONDS)
        while True:
            data = sock.recv(65536)
            if not data:
                return
            message["bytes"] += data.decode("latin1")
            if answer.get("act") == "close":
                return
            if answer.get("act") == "reset":
                reset(sock)
                return
            sock.sendall(b"<" + data + b">")

    def close(self):
        self.server.close()
        with self.lock:
            for sock in self.sockets:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                sock.close()


def reset(sock):
    """Closes with RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    sock.close()


def render(message, answer):
    """The bytes of an answer: status 200 and body "ok" unless it says otherwise."""
    status = answer.get("status", 200)
    body = cases.expand(answer.get("body", "ok" if status not in (204, 304) else ""))
    head = f"HTTP/1.1 {status} {answer.get('reason', 'Said')}\r\n"
    fields = cases.fields_of(answer.get("headers"))
    names = {name.lower() for name, _ in fields}
    trailers = cases.fields_of(answer.get("trailers"))
    if trailers or answer.get("chunked"):
        fields.append(("transfer-encoding", "chunked"))
    elif "content-length" not in names and status not in (204, 304):
        fields.append(("content-length", str(len(body))))
    head += "".join(f"{name}: {value}\r\n" for name, value in fields) + "\r\n"
    if message["line"].startswith("HEAD "):
        body = ""
    elif trailers or answer.get("chunked"):
        body = (f"{len(body):x}\r\n{body}\r\n" if body else "") + "0\r\n" + "".join(
            f"{name}: {value}\r\n" for name, value in trailers) + "\r\n"
    return (head + body).encode("latin1")


def make_tls(spec, certs):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    name = spec.get("cert", "sidecar")
    context.load_cert_chain(certs.cert(name), certs.key(name))
    context.set_alpn_protocols(spec.get("alpn", ["h2", "http/1.1"]))
    if spec.get("require_client"):
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(certs.ca)
    return context
