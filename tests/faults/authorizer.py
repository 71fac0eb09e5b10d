# SPDX-License-Identifier: Apache-2.0
"""An authorisation server that does to each check what the path of the request in question names."""

import collections
import socket
import struct

import h2.config
import h2.connection
import h2.events
import h2.exceptions
from envoy.service.auth.v3 import external_auth_pb2

import hostile
import upstreams


def response(code=0, **headers):
    """A CheckResponse that allows (code 0), with headers for the origin, or denies."""
    message = external_auth_pb2.CheckResponse()
    message.status.code = code
    if code:
        message.denied_response.status.code = 403
    for name, value in headers.items():
        header = message.ok_response.headers.add().header
        header.key, header.value = name, value
    return message.SerializeToString()


def framed(message, flag=0, length=None):
    return struct.pack(">BI", flag, len(message) if length is None else length) + message


class Call:
    """One check; what is said on it goes out at once."""

    def __init__(self, connection, server, stream):
        self.connection, self.server, self.stream = connection, server, stream

    def flush(self):
        self.connection.sendall(self.server.data_to_send())

    def raw(self, data):
        self.flush()
        self.connection.sendall(data)

    def head(self, status="200"):
        self.server.send_headers(self.stream, [
            (":status", status), ("content-type", "application/grpc")])
        self.flush()

    def data(self, data, end=False):
        for at in range(0, len(data), 16384):
            self.server.send_data(self.stream, data[at:at + 16384])
        if end:
            self.server.end_stream(self.stream)
        self.flush()

    def trailers(self, status="0"):
        self.server.send_headers(self.stream, [("grpc-status", status)], end_stream=True)
        self.flush()

    def answer(self, *messages, status="0"):
        self.head()
        for message in messages:
            self.data(message)
        self.trailers(status)


ALLOW, DENY = framed(response()), framed(response(7))


def close(call):
    call.connection.shutdown(socket.SHUT_RDWR)


def headers_then_reset(call):
    call.head()
    call.raw(hostile.frame(hostile.RST, 0, call.stream, struct.pack(">I", 2)))


def headers_then_close(call):
    call.head()
    close(call)


def status_only(call, status):
    call.server.send_headers(call.stream, [
        (":status", "200"), ("content-type", "application/grpc"), ("grpc-status", status)],
        end_stream=True)
    call.flush()


def no_trailers(call):
    call.head()
    call.data(ALLOW, end=True)


def http_error(call):
    call.server.send_headers(call.stream, [(":status", "500")], end_stream=True)
    call.flush()


def reset_code(code):
    return lambda call: call.raw(hostile.frame(hostile.RST, 0, call.stream,
                                               struct.pack(">I", code)))


# name: what is done. Each is a failed check.
FAILURES = {
    "hang": lambda call: None,
    "hang_after_headers": Call.head,
    "reset": reset_code(2),
    "reset_no_error": reset_code(0),
    "refused": reset_code(7),
    "headers_then_reset": headers_then_reset,
    "headers_then_close": headers_then_close,
    "close": close,
    "tcp_reset": lambda call: hostile.reset(call.connection),
    "goaway": lambda call: (call.raw(hostile.frame(
        hostile.GOAWAY, 0, 0, struct.pack(">II", 0, 2))), close(call)),
    "no_http2": lambda call: call.raw(b"\xff\xfe garbage " * 40),
    "http_error": http_error,
    "grpc_error": lambda call: call.answer(status="13"),
    "grpc_error_behind_an_allowance": lambda call: call.answer(ALLOW, status="13"),
    "grpc_error_at_once": lambda call: status_only(call, "14"),
    "grpc_status_no_number": lambda call: call.answer(ALLOW, status="OK"),
    "no_message": lambda call: call.answer(),
    "no_trailers": no_trailers,
    "garbage_message": lambda call: call.answer(framed(b"\xff" * 50)),
    "message_cut_short": lambda call: call.answer(framed(response(7)[:-1], length=1000)),
    "length_over_4_gib": lambda call: call.answer(framed(b"", length=2**32 - 1)),
    "compressed": lambda call: call.answer(framed(response(), flag=1)),
    "half_a_prefix": lambda call: call.answer(b"\0\0"),
}
# Which of two contradictory answers holds is not ours to say, a refusal is never lost.
TWICE = {
    "deny_then_allow": lambda call: call.answer(DENY, ALLOW),
    "allow_then_deny": lambda call: call.answer(ALLOW, DENY),
}
OTHERS = {
    "allow": lambda call: call.answer(ALLOW),
    "deny": lambda call: call.answer(DENY),
    "allow_twice": lambda call: call.answer(ALLOW, ALLOW),
    "smuggle": lambda call: call.answer(framed(response(x_a="a\r\nx-smuggled: b"))),
}


class Authorizer:
    def __init__(self):
        self.asked = collections.Counter()  # by path
        self.waiting = {}  # path: a call that was left without an answer
        self.server = upstreams.RawServer(self.talk_safely)
        self.port = self.server.port

    def close(self):
        self.server.close()

    def talk_safely(self, connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self.talk(connection)
        except (OSError, h2.exceptions.ProtocolError):
            pass
        finally:
            connection.close()

    def talk(self, connection):
        server = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        server.initiate_connection()
        bodies = collections.defaultdict(bytes)
        while True:
            connection.sendall(server.data_to_send())
            data = connection.recv(65536)
            if not data:
                return
            for event in server.receive_data(data):
                if isinstance(event, h2.events.DataReceived):
                    bodies[event.stream_id] += event.data
                elif isinstance(event, h2.events.StreamEnded):
                    self.check(Call(connection, server, event.stream_id),
                               bodies.pop(event.stream_id))

    def check(self, call, body):
        request = external_auth_pb2.CheckRequest.FromString(body[5:])
        path = request.attributes.request.http.path
        self.waiting[path] = call
        self.asked[path] += 1
        name = path.split("/")[1]
        {**FAILURES, **TWICE, **OTHERS}[name](call)
