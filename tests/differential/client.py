# SPDX-License-Identifier: Apache-2.0
"""The client: sends a case's steps to a proxy and notes what came back."""

import socket
import ssl
import threading
import time
import warnings

import h2.exceptions

import cases
import h2_client
import wire

ANSWER_SECONDS = 6
CLOSE_SECONDS = 0.4
CONTROL_KEYS = {"admin", "push", "reconnect", "await_stat", "write"}


class Client:
    """One per case and proxy."""

    def __init__(self, case, side):
        self.case, self.side, self.certs = case, side, side.certs
        self.variables = side.variables(case)
        self.kept = {}
        self.threads = []
        self.seen = []

    def run(self):
        for step in self.case.steps:
            step = self.case.substitute(step, self.variables)
            time.sleep(step.get("pause", 0))
            if step.get("wait_background"):
                self.join()
                continue
            result = {}
            self.seen.append(result)
            if step.get("background"):
                thread = threading.Thread(target=self.step, args=(step, result), daemon=True)
                self.threads.append(thread)
                thread.start()
            else:
                self.step(step, result)
        self.join()
        for connection in self.kept.values():
            connection.close()
        return self.seen

    def join(self):
        for thread in self.threads:
            thread.join(30)

    def step(self, step, result):
        if CONTROL_KEYS & set(step):
            self.side.control(self.case, step, result)
            return
        try:
            connection = self.connection(step)
        except ssl.SSLEOFError:
            result["tls_error"] = "ended"
            return
        except ssl.SSLError as error:
            result["tls_error"] = error.reason
            return
        except OSError:
            # A reset at once may be seen by connect or by the first read: one thing to a client.
            result.update({"tls_error": "ended"} if "tls" in step else
                          {"end": "closed", "responses": []})
            return
        try:
            connection.exchange(step, result)
        except (OSError, ValueError, h2.exceptions.H2Error) as error:
            result["error"] = type(error).__name__
        if step.get("on") is None:
            connection.close()

    def connection(self, step):
        name = step.get("on")
        if name in self.kept:
            return self.kept[name]
        sock = socket.create_connection(
            ("127.0.0.1", self.side.port(self.case, step.get("listener", "main"))),
            timeout=ANSWER_SECONDS)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        tls = None
        if "tls" in step:
            sock = self.start_tls(sock, step["tls"] or {})
            tls = {"version": sock.version(), "alpn": sock.selected_alpn_protocol(),
                   "cipher": sock.cipher()[0], "peer": peer_names(sock)}
        kind = h2_client.H2Connection if step.get("via") == "h2" else H1Connection
        connection = kind(sock, tls)
        if name is not None:
            self.kept[name] = connection
        return connection

    def start_tls(self, sock, spec):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(self.certs.ca)
        if "alpn" in spec:
            context.set_alpn_protocols(spec["alpn"])
        if "cert" in spec:
            context.load_cert_chain(self.certs.cert(spec["cert"]), self.certs.key(spec["cert"]))
        versions = {"1.1": ssl.TLSVersion.TLSv1_1, "1.2": ssl.TLSVersion.TLSv1_2,
                    "1.3": ssl.TLSVersion.TLSv1_3}
        if "max" in spec:
            warnings.simplefilter("ignore", DeprecationWarning)  # 1.1 is asked for to be refused
            context.minimum_version = ssl.TLSVersion.TLSv1_1
            context.maximum_version = versions[str(spec["max"])]
        if "ciphers" in spec:
            context.set_ciphers(spec["ciphers"])
        return context.wrap_socket(sock, server_hostname=spec.get("sni"))


def peer_names(sock):
    return sorted(f"{kind}:{value}" for kind, value in sock.getpeercert().get("subjectAltName", ()))


class H1Connection:
    def __init__(self, sock, tls):
        self.sock = sock
        self.tls = tls
        self.reader = wire.Reader(sock, ANSWER_SECONDS)

    def close(self):
        self.sock.close()

    def exchange(self, step, result):
        if self.tls:
            result["tls"] = self.tls
        self.reader.allow(step.get("wait", ANSWER_SECONDS))
        try:
            self.send(step)
        except OSError:
            pass  # what the peer said before it closed is read all the same
        if step.get("then") in ("close", "reset"):
            time.sleep(step.get("wait", 0.1))
            if step["then"] == "reset":
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            self.sock.close()
            result["end"] = step["then"]
            return
        if step.get("then") == "half_close":
            self.sock.shutdown(socket.SHUT_WR)
        if step.get("read") is not None:
            self.read_bytes(step["read"], result)
            return
        self.read_answers(step, result)

    def read_bytes(self, wanted, result):
        """Bytes as they come, for what is no HTTP: a number of them, or "all" until the end."""
        try:
            result["bytes"] = ""
            while wanted == "all" or len(self.reader.buffer) < wanted:
                self.reader.fill()
            self.reader.allow(CLOSE_SECONDS)
            self.reader.fill()
        except wire.Ended as end:
            result["end"] = end.how
        result["bytes"], self.reader.buffer = self.reader.buffer.decode("latin1"), b""

    def read_answers(self, step, result):
        result["responses"] = []
        try:
            for _ in range(step.get("answers", 1)):
                wire.read_response(self.reader, step.get("method", "GET"), result["responses"])
            self.reader.allow(step.get("check_closed", CLOSE_SECONDS))
            extra, how = self.reader.rest()
            if extra:
                result["extra"] = extra.decode("latin1")
            result["end"] = how
        except wire.Ended as end:
            result["end"] = end.how
        except ValueError:
            result["error"] = "not HTTP: " + self.reader.buffer[:200].decode("latin1")

    def send(self, step):
        if "raw" not in step:
            self.sock.sendall(render(step))
            return
        pieces = step["raw"] if isinstance(step["raw"], list) else [step["raw"]]
        for piece in pieces:
            if isinstance(piece, dict) and "sleep" in piece:
                time.sleep(piece["sleep"])
            else:
                self.sock.sendall(cases.expand(piece).encode("latin1"))


def render(step):
    """The bytes of a request given by its parts."""
    fields = [("Host", step.get("host", "a.test"))] + cases.fields_of(step.get("headers"))
    body = cases.expand(step.get("body"))
    trailers = cases.fields_of(step.get("trailers"))
    if "chunks" in step:
        fields.append(("transfer-encoding", "chunked"))
        chunks = [cases.expand(chunk) for chunk in step["chunks"]]
        body = "".join(f"{len(chunk):x}\r\n{chunk}\r\n" for chunk in chunks) + "0\r\n" + "".join(
            f"{name}: {value}\r\n" for name, value in trailers) + "\r\n"
    elif body:
        fields.append(("content-length", str(len(body))))
    head = f"{step.get('method', 'GET')} {cases.expand(step.get('path', '/'))} " \
           f"HTTP/{step.get('version', '1.1')}\r\n"
    return (head + "".join(f"{name}: {value}\r\n" for name, value in fields) + "\r\n" +
            body).encode("latin1")
