# SPDX-License-Identifier: Apache-2.0
"""Origins that break every rule: what is broken never looks whole, and harms no other request."""

import concurrent.futures
import itertools
import random

import pytest

import clients
import config
import hostile

TOKENS = itertools.count(1)
CLIENTS = {"http1": clients.Http1, "http2": clients.Http2}
RETRY = {"retry_on": "5xx,reset,connect-failure,refused-stream", "num_retries": 3,
         "retry_back_off": {"base_interval": "0.001s", "max_interval": "0.002s"}}


class Edge:
    """A proxy with one worker, so that each kept connection is a candidate for the next request."""

    def __init__(self, runner, binary, origin, kind):
        self.origin = origin
        self.proxy = runner.proxy(binary, config.static(
            [config.listener(config.manager(config.virtual_host(
                config.to("up", prefix="/flaky/", retry_policy=RETRY),
                config.to("up", prefix="/fault/slow", timeout="1s"), config.to("up"))))],
            [config.cluster("up", origin.port, kind=kind)]), "--concurrency", "1")
        self.port = self.proxy.port()

    def check_unharmed(self, client):
        """The next requests get their own answers, on connections that met no fault."""
        for number in range(3):
            token = f"token{next(TOKENS)}"
            result = client.get(f"/ok/{token}")
            assert (result.status, result.body, result.end) == (
                200, token.encode(), clients.CLEAN), (number, result)
        assert not self.origin.poisoned
        self.proxy.check_alive()


@pytest.fixture(scope="module")
def http1_edge(lasting, proxy_bin):
    origin = hostile.Http1Origin()
    yield Edge(lasting, proxy_bin, origin, "http1")
    origin.close()


@pytest.fixture(scope="module")
def http2_edge(lasting, proxy_bin):
    origin = hostile.Http2Origin()
    yield Edge(lasting, proxy_bin, origin, "http2")
    origin.close()


@pytest.fixture(params=list(CLIENTS))
def client_type(request):
    return CLIENTS[request.param]


def meet(edge, client_type, name, check):
    """Meets a fault with a kept upstream connection at hand; others go on before and after."""
    edge.origin.poisoned.clear()
    client, other = client_type(edge.port), clients.Http1(edge.port)
    edge.check_unharmed(other)
    path = f"/fault/{name}/{next(TOKENS)}"
    check(client.get(path))
    edge.check_unharmed(client)
    edge.check_unharmed(other)
    assert edge.origin.attempts[path] == 1, "not configured to be tried again"
    client.close()
    other.close()


@pytest.mark.parametrize("name", list(hostile.HEADS))
def test_head_that_is_none_is_502(http1_edge, client_type, name):
    def check(result):
        assert (result.status, result.end) == (502, clients.CLEAN), result
        assert b"poisoned" not in result.body
    meet(http1_edge, client_type, name, check)


@pytest.mark.parametrize("name", list(hostile.CLOSES))
def test_no_answer_is_503(http1_edge, client_type, name):
    def check(result):
        # Half a head is a malformed one where the parser is told of the end.
        expected = (502, 503) if name.endswith("_in_head") else (503,)
        assert result.status in expected and result.end == clients.CLEAN, result
    meet(http1_edge, client_type, name, check)


def test_head_that_never_ends_is_504(http1_edge, client_type):
    def check(result):
        assert (result.status, result.end) in [(504, clients.CLEAN), (502, clients.CLEAN)], result
    meet(http1_edge, client_type, "slow_head", check)


def check_cut(result, client_type):
    """Begun and broken off; over HTTP/2 the reset may be there before the head."""
    if client_type is clients.Http2 and result.end == clients.NONE:
        return
    assert (result.status, result.end) == (200, clients.CUT), result


@pytest.mark.parametrize("name", list(hostile.BODIES))
def test_broken_body_is_broken_off(http1_edge, client_type, name):
    def check(result):
        check_cut(result, client_type)
        assert b"short".startswith(result.body) or result.body.startswith(b"short")
    meet(http1_edge, client_type, name, check)


@pytest.mark.parametrize("name", list(hostile.ADDITIONS))
def test_bytes_behind_the_answer_are_nobodys(http1_edge, client_type, name):
    _, status, body = hostile.ADDITIONS[name]

    def check(result):
        assert (result.status, result.body, result.end) == (status, body, clients.CLEAN), result
    meet(http1_edge, client_type, name, check)


def test_body_of_head_is_nobodys(http1_edge):
    client = clients.Http1(http1_edge.port)
    result = client.get(f"/fault/length_of_head/{next(TOKENS)}", method="HEAD")
    assert (result.status, result.body) == (200, b"")
    http1_edge.check_unharmed(client)


@pytest.mark.parametrize("name", list(hostile.HTTP2))
def test_http2_origin(http2_edge, client_type, name):
    kind = hostile.HTTP2[name][1]

    def check(result):
        if kind == "bad":
            # Of a connection that broke the protocol the flag says UPE or UC; both are no answer.
            assert result.status in (502, 503) and result.end == clients.CLEAN, result
        elif kind == "gone":
            assert (result.status, result.end) == (503, clients.CLEAN), result
        elif kind == "cut":
            # What broke before the head went on may still become an answer of our own.
            assert result.end in (clients.CUT, clients.NONE) or result.status in (502, 503), result
        else:
            assert (result.status, result.body, result.end) == (200, b"whole", clients.CLEAN)
    meet(http2_edge, client_type, name, check)


RETRIED = ["close", "reset", "close_in_head", "reset_in_head", "lf_only", "status_99", "garbage",
           "two_lengths"]


@pytest.mark.parametrize("name", RETRIED)
def test_faults_before_the_answer_are_tried_again(http1_edge, client_type, name):
    client, token = client_type(http1_edge.port), f"token{next(TOKENS)}"
    path = f"/flaky/{name}/2/{token}"
    result = client.get(path)
    assert (result.status, result.body, result.end) == (200, token.encode(), clients.CLEAN), result
    assert http1_edge.origin.attempts[path] == 3
    http1_edge.check_unharmed(client)


@pytest.mark.parametrize("name", ["refused", "reset", "goaway_0", "no_status", "garbage"])
def test_http2_faults_before_the_answer_are_tried_again(http2_edge, client_type, name):
    client, token = client_type(http2_edge.port), f"token{next(TOKENS)}"
    path = f"/flaky/{name}/2/{token}"
    result = client.get(path)
    assert (result.status, result.body, result.end) == (200, token.encode(), clients.CLEAN), result
    assert http2_edge.origin.attempts[path] == 3
    http2_edge.check_unharmed(client)


def test_retries_end(http1_edge, client_type):
    client = client_type(http1_edge.port)
    path = f"/flaky/close/99/{next(TOKENS)}"
    assert client.get(path).status == 503
    assert http1_edge.origin.attempts[path] == 4
    http1_edge.check_unharmed(client)


@pytest.mark.parametrize("name", list(hostile.BODIES))
def test_no_retry_once_the_answer_has_begun(http1_edge, client_type, name):
    client = client_type(http1_edge.port)
    path = f"/flaky/{name}/1/{next(TOKENS)}"
    check_cut(client.get(path), client_type)
    assert http1_edge.origin.attempts[path] == 1
    http1_edge.check_unharmed(client)


def test_body_is_sent_again_whole(http1_edge, client_type):
    client, token = client_type(http1_edge.port), f"token{next(TOKENS)}"
    path = f"/flaky/close/2/{token}"
    result = client.get(path, method="POST", body=b"b" * 16_000)
    assert (result.status, result.body) == (200, token.encode())
    assert http1_edge.origin.attempts[path] == 3


@pytest.mark.parametrize("kind,names", [("http1", ["reset", "close", "reset_in_head"]),
                                        ("http2", ["reset", "refused"])])
def test_random_resets_with_retries_fail_nobody(request, kind, names, client_type):
    """One request in a hundred is reset, of many at once; each is answered once, with its own."""
    edge, chance = request.getfixturevalue(f"{kind}_edge"), random.Random(20)
    edge.origin.poisoned.clear()

    def work(_):
        client = client_type(edge.port)
        for _ in range(100):
            token = f"token{next(TOKENS)}"
            name = chance.choice(names)
            path = f"/flaky/{name}/{int(chance.random() < 0.01)}/{token}"
            result = client.get(path)
            assert (result.status, result.body, result.end) == (
                200, token.encode(), clients.CLEAN), (path, result)
        client.close()

    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        list(pool.map(work, range(10)))
    assert not edge.origin.poisoned
