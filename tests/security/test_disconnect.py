# SPDX-License-Identifier: Apache-2.0
"""The client goes away at every byte of an exchange: nothing stays behind, and nothing leaks.

Over TLS that is every byte of what is in the records, and every byte of a handshake and of the first
record behind it as they lie on the wire.
"""

import itertools
import socket
import ssl
import struct

import pytest

import config
import http2
import process
import programs
import recorder
import wire

BODY = b"b" * 1400
ANSWER_BODY = b"~" * 1400
NUMBERS = itertools.count()
GAUGES = ["cluster.up.upstream_rq_active", "cluster.up.upstream_rq_pending_active",
          "http.ingress.downstream_rq_active"]
RESET = struct.pack("ii", 1, 0)


def answer(request):
    if request.target == b"/silence":
        return b""
    body = ANSWER_BODY if request.method == b"POST" else b""
    # A date of the proxy's own would take more or fewer bits in HTTP/2 from second to second.
    return (b"HTTP/1.1 200 OK\r\ndate: Thu, 01 Jan 2026 00:00:00 GMT\r\ncontent-length: %d\r\n\r\n%s"
            % (len(body), body))


@pytest.fixture(scope="module")
def origin():
    started = recorder.Recorder(answer)
    yield started
    started.close()


@pytest.fixture(scope="module")
def proxy(start_proxy, origin, certs):
    tls = {"common_tls_context": {"alpn_protocols": ["h2", "http/1.1"], "tls_certificates": [
        config.files(certs.cert("edge"), certs.key("edge"))]}}
    # Answers of one length: none says how long it took.
    router = {**config.ROUTER, "typed_config": {**config.ROUTER["typed_config"],
                                                "suppress_envoy_headers": True}}
    manager = config.manager(config.virtual_host(config.to("up")), http_filters=[router])
    return start_proxy(config.static(
        [config.listener(manager), config.listener(manager, name="tls", tls=tls)],
        [config.cluster("up", origin.port)]))


def http1_request(path):
    return (b"POST %s HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n%s"
            % (path, len(BODY), BODY))


def http2_request(path):
    return (http2.PREFACE + http2.frame(http2.SETTINGS, 0, 0) +
            http2.frame(http2.HEADERS, http2.END_HEADERS, 1, http2.block(
                http2.request(method=b"POST", path=path))) +
            http2.frame(http2.DATA, http2.END_STREAM, 1, BODY))


KINDS = {"http1": (http1_request, "http/1.1"), "http2": (http2_request, "h2")}
HELD = 60


def connect(proxy, port, protocol):
    sock = wire.connect(port)
    if proxy is None:
        return sock
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols([protocol])
    return context.wrap_socket(sock)


def hang_up(sock, number):
    """In order and by RST in turn; TLS without its goodbye."""
    if number % 2:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    sock.close()


def receive(sock, count):
    """Up to `count` bytes, as they come; fewer where no more were sent."""
    got = 0
    while got < count:
        data = sock.recv(count - got)
        if not data:
            break
        got += len(data)
    return got


def whole_answer(open_connection, request, kind):
    """The length of what the proxy sends for the whole exchange."""
    with open_connection() as sock:
        sock.sendall(request)
        data = b""
        while data.count(b"~") < len(ANSWER_BODY):
            more = sock.recv(65536)
            assert more, f"{kind}: ended after {data[-200:]!r}"
            data += more
        return data.rindex(b"~") + 1


def check_nothing_left(proxy, origin, port):
    def is_idle():
        stats = proxy.get_admin("/stats?filter=active")[1]
        values = dict(line.split(": ") for line in stats.splitlines() if ": " in line)
        return all(int(values.get(gauge, 0)) == 0 for gauge in GAUGES) and \
            int(values.get("http.ingress.downstream_cx_active", 0)) == 0
    programs.wait_until(is_idle, lambda: proxy.get_admin("/stats?filter=active")[1])
    requests, violations, _ = wire.reaches_origin(port, origin, next(NUMBERS))
    assert not violations
    assert all(r.target in (b"/exchange", b"/silence") and r.body == BODY for r in requests)
    return len(requests)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("kind", KINDS)
def test_disconnect(proxy, origin, kind, tls):
    port = proxy.port("tls" if tls else "main")
    plain_port = proxy.port()
    make_request, protocol = KINDS[kind]

    def open_connection():
        return connect(proxy if tls else None, port, protocol)

    request = make_request(b"/exchange")
    length = whole_answer(open_connection, request, kind)
    assert len(request) + length >= 2900
    memory = None
    for number in range(len(request) + length):
        if memory is None and number >= 300:
            memory = process.anonymous_kib(proxy.process.pid)
        sock = open_connection()
        sock.sendall(request[:number + 1])
        receive(sock, max(0, number + 1 - len(request)))
        hang_up(sock, number)
    proxy.check_alive()
    whole = check_nothing_left(proxy, origin, plain_port)
    # Where a part of the answer's body had come, the request had reached the origin whole.
    assert whole >= len(ANSWER_BODY)
    if not process.is_sanitized(programs.proxy_binary()):
        assert process.anonymous_kib(proxy.process.pid) - memory <= 2048


class Handshake:
    """The client's side of TLS with the bytes in the test's hands."""

    def __init__(self, protocol):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols([protocol])
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing)
        with pytest.raises(ssl.SSLWantReadError):
            self.tls.do_handshake()
        self.hello = self.outgoing.read()

    def rest(self, sock, request):
        """What ends the handshake, with the request behind it."""
        sock.sendall(self.hello)
        while True:
            self.incoming.write(sock.recv(65536))
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                continue
        self.tls.write(request)
        return self.outgoing.read()


@pytest.mark.parametrize("kind", KINDS)
def test_disconnect_on_the_wire_of_tls(proxy, origin, kind):
    make_request, protocol = KINDS[kind]
    port, request = proxy.port("tls"), make_request(b"/silence")[:-len(BODY)]
    for number in range(len(Handshake(protocol).hello)):
        sock = wire.connect(port)
        sock.sendall(Handshake(protocol).hello[:number])
        hang_up(sock, number)
    with wire.connect(port) as sock:
        length = len(Handshake(protocol).rest(sock, request))
    for number in range(length):
        sock = wire.connect(port)
        sock.sendall(Handshake(protocol).rest(sock, request)[:number])
        hang_up(sock, number)
    proxy.check_alive()
    assert check_nothing_left(proxy, origin, proxy.port()) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_disconnect_while_the_origin_is_silent(proxy, origin, kind):
    make_request, _ = KINDS[kind]
    port = proxy.port()
    origin.collect()
    sockets = [wire.connect(port) for _ in range(HELD)]
    for sock in sockets:
        sock.sendall(make_request(b"/silence"))
    programs.wait_until(lambda: proxy.stat("cluster.up.upstream_rq_active") == HELD,
                        "all requests are under way")
    for number, sock in enumerate(sockets):
        hang_up(sock, number)
    check_nothing_left(proxy, origin, port)
