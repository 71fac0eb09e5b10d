# SPDX-License-Identifier: Apache-2.0
"""gRPC through the proxy with grpcio at both ends, plain and over TLS."""

import threading

import grpc
import pytest

import config

ROUTE_TIMEOUT = {"timeout": "0s"}


@pytest.fixture(params=["h2c", "tls"])
def channel(request, proxy, grpc_echo, certs):
    upstream = grpc_echo()
    tls = None
    if request.param == "tls":
        tls = {"common_tls_context": {"alpn_protocols": ["h2"], "tls_certificates": [
            config.files(certs.cert("edge"), certs.key("edge"))]}}
    started = proxy(config.static(
        [config.listener(config.manager(config.virtual_host(
            config.to("dead", prefix="/dead."), config.to("up", **ROUTE_TIMEOUT))), tls=tls)],
        [config.cluster("up", upstream.port, kind="http2"),
         config.cluster("dead", 1, kind="http2")]))
    target = f"localhost:{started.port()}"
    options = [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]
    if tls:
        made = grpc.secure_channel(target, grpc.ssl_channel_credentials(
            open(certs.ca, "rb").read()), options)
    else:
        made = grpc.insecure_channel(target, options)
    with made:
        yield made


@pytest.mark.parametrize("size", [0, 10, 1_000_000])
def test_unary_with_trailers(channel, size):
    message = bytes(range(256)) * (size // 256) + b"end"
    answer, call = channel.unary_unary("/test.Echo/Unary").with_call(message, timeout=30)
    assert answer == message[::-1]
    assert call.code() == grpc.StatusCode.OK
    assert ("x-trailer", "unary") in [tuple(item) for item in call.trailing_metadata()]


def test_error_status_and_trailers_pass(channel):
    with pytest.raises(grpc.RpcError) as error:
        channel.unary_unary("/test.Echo/Fail")(b"x", timeout=30)
    assert error.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    assert error.value.details() == "not today"
    assert ("x-trailer", "fail") in [tuple(item) for item in error.value.trailing_metadata()]


def test_unknown_method_is_the_upstreams_answer(channel):
    with pytest.raises(grpc.RpcError) as error:
        channel.unary_unary("/test.Echo/None")(b"x", timeout=30)
    assert error.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_local_reply_is_a_grpc_status(channel):
    with pytest.raises(grpc.RpcError) as error:
        channel.unary_unary("/dead.Service/Call")(b"x", timeout=30)
    assert error.value.code() == grpc.StatusCode.UNAVAILABLE
    assert "upstream connect error" in error.value.details()


def test_bidirectional_stream_alternates(channel):
    """Each message is answered before the next is sent: nothing may hold messages back."""
    turn = threading.Semaphore(1)

    def requests():
        for number in range(100):
            assert turn.acquire(timeout=20)
            yield f"message {number}".encode()

    call = channel.stream_stream("/test.Echo/Chat")(requests(), timeout=60)
    count = 0
    for answer in call:
        assert answer == f"MESSAGE {count}".encode()
        count += 1
        turn.release()
    assert count == 100 and call.code() == grpc.StatusCode.OK
    assert ("x-count", "100") in [tuple(item) for item in call.trailing_metadata()]


def test_client_cancel_reaches_the_upstream(channel):
    ended = threading.Event()

    def requests():
        yield b"one"
        ended.wait(20)

    call = channel.stream_stream("/test.Echo/Chat")(requests(), timeout=60)
    assert next(call) == b"ONE"
    call.cancel()
    ended.set()
    with pytest.raises(grpc.RpcError):
        next(call)
    answer = channel.unary_unary("/test.Echo/Unary")(b"ab", timeout=30)
    assert answer == b"ba"
