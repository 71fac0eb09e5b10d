# SPDX-License-Identifier: Apache-2.0
"""SIGTERM with every kind of stream open: each ends in order, then the process does, with 0."""

import concurrent.futures
import queue
import signal
import time

import grpc
import pytest

import clients
import config
import programs
import traffic


class Open:
    """A request half answered by either protocol, a tunnel, a gRPC stream, half a TLS handshake."""

    def __init__(self, proxy, echo, grpc_echo, certs):
        self.upstream = echo()
        routes = config.virtual_host(config.to("grpc", prefix="/test.", timeout="0s"),
                                     config.to("up", timeout="0s"))
        upgrade = [{"upgrade_type": "websocket"}]
        tls = {"common_tls_context": {"tls_certificates": [
            config.files(certs.cert("edge"), certs.key("edge"))]}}
        self.proxy = proxy(config.static(
            [config.listener(config.manager(routes, upgrade_configs=upgrade,
                                            drain_timeout="0.2s")),
             config.listener(config.manager(routes), name="tls", tls=tls)],
            [config.cluster("up", self.upstream.port),
             config.cluster("grpc", grpc_echo().port, kind="http2")]), "--drain-time-s", "30")
        port = self.proxy.port()
        self.pool = concurrent.futures.ThreadPoolExecutor(4)
        self.answers = [self.pool.submit(kind(port, 60).get, "/do/hold_body")
                        for kind in (clients.Http1, clients.Http2)]
        self.tunnel = programs.connect(port)
        traffic.open_tunnel(self.tunnel)
        self.channel = grpc.insecure_channel(f"localhost:{port}", [
            ("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)])
        self.messages = queue.Queue()
        self.chat = self.channel.stream_stream("/test.Echo/Chat")(
            iter(self.messages.get, None), timeout=60)
        self.talk()
        self.handshake = programs.connect(self.proxy.port("tls"))
        self.handshake.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03half a hello")
        programs.wait_until(lambda: self.upstream.held == 2, "held")
        programs.wait_until(
            lambda: self.proxy.stat("listener.127.0.0.1_0.downstream_cx_active") >= 0, "accepted")

    def talk(self):
        self.messages.put(b"abc")
        assert next(self.chat) == b"ABC"

    def close(self):
        self.upstream.release()
        self.messages.put(None)
        self.channel.close()
        self.tunnel.close()
        self.handshake.close()
        self.pool.shutdown()


@pytest.fixture
def opened(proxy, echo, grpc_echo, certs, is_envoy):
    if is_envoy:
        pytest.skip("Envoy ends at once on SIGTERM")
    made = Open(proxy, echo, grpc_echo, certs)
    yield made
    made.close()


def test_all_streams_end_in_order(opened):
    opened.proxy.signal(signal.SIGTERM)
    programs.wait_until(lambda: "DRAINING" in opened.proxy.get_admin("/ready")[1], "draining")
    traffic.say(opened.tunnel, b"still there")
    opened.talk()
    assert opened.proxy.returncode is None
    opened.upstream.release()
    for future in opened.answers:
        result = future.result(20)
        assert (result.status, result.body, result.end) == (200, b"firstlater", clients.CLEAN)
    traffic.say(opened.tunnel, b"and still")
    opened.talk()
    opened.messages.put(None)
    assert list(opened.chat) == [] and opened.chat.code() == grpc.StatusCode.OK
    assert ("x-count", "3") in [tuple(item) for item in opened.chat.trailing_metadata()]
    opened.handshake.close()
    opened.tunnel.close()
    began = time.monotonic()
    assert opened.proxy.wait(10) == 0
    assert time.monotonic() - began < 2


def is_refused(port):
    try:
        programs.connect(port).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        pass  # the socket closed while this connection waited to be accepted
    return False


def test_new_clients_are_refused_while_the_others_finish(opened):
    ports = [opened.proxy.port(), opened.proxy.port("tls")]
    opened.proxy.signal(signal.SIGTERM)
    programs.wait_until(lambda: all(is_refused(port) for port in ports), "refused")
    opened.talk()
    traffic.say(opened.tunnel, b"still there")
    opened.upstream.release()
    for future in opened.answers:
        assert future.result(20).end == clients.CLEAN
    opened.close()
    assert opened.proxy.wait(30) == 0


def test_second_signal_ends_all_at_once(opened):
    opened.proxy.signal(signal.SIGTERM)
    programs.wait_until(lambda: "DRAINING" in opened.proxy.get_admin("/ready")[1], "draining")
    began = time.monotonic()
    opened.proxy.signal(signal.SIGTERM)
    opened.proxy.wait(10)
    assert time.monotonic() - began < 2
    for future in opened.answers:
        assert future.result(20).end == clients.CUT
    with pytest.raises(grpc.RpcError):
        list(opened.chat)


def test_half_a_handshake_holds_nothing_up(opened):
    """All but the handshake has ended: nobody's request waits for it."""
    opened.proxy.signal(signal.SIGTERM)
    programs.wait_until(lambda: "DRAINING" in opened.proxy.get_admin("/ready")[1], "draining")
    opened.upstream.release()
    for future in opened.answers:
        assert future.result(20).end == clients.CLEAN
    opened.messages.put(None)
    assert list(opened.chat) == []
    opened.tunnel.close()
    assert opened.proxy.wait(20) == 0
