# SPDX-License-Identifier: Apache-2.0
"""Authorisation servers that hang, break off, talk nonsense, come late, answer twice or die: a check
that failed is what the configuration says of it, at its deadline at the latest, and nothing else."""

import concurrent.futures
import itertools
import json
import signal
import time

import pytest

import authorizer
import clients
import config
import hostile
import programs

TIMEOUT_SECONDS = 0.5
ATTEMPTS = 5  # to keep within the deadline's tenth on a loaded machine
NUMBERS = itertools.count(1)
STATUS = {"closed": 403, "open": 200}
COMPLAINTS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:", "CHECK failed")


def authz(is_open, timeout=TIMEOUT_SECONDS):
    return {"name": "envoy.filters.http.ext_authz", "typed_config": {
        "@type": config.TYPE + "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
        "transport_api_version": "V3", "failure_mode_allow": is_open,
        "grpc_service": {"envoy_grpc": {"cluster_name": "authz"}, "timeout": f"{timeout}s"}}}


def bootstrap(authorizer_port, origin_port, **more):
    host = config.virtual_host(config.to("up"))
    return config.static(
        [config.listener(config.manager(host, http_filters=[authz(name == "open", **more),
                                                            config.ROUTER]), name=name)
         for name in STATUS],
        [config.cluster("up", origin_port),
         config.cluster("authz", authorizer_port, kind="http2")])


class Edge:
    def __init__(self, runner, binary, origin, **more):
        self.origin, self.authorizer = origin, authorizer.Authorizer()
        self.proxy = runner.proxy(binary, bootstrap(self.authorizer.port, origin.port, **more),
                                  "--concurrency", "1")

    def get(self, mode, path, client_type=clients.Http1):
        client = client_type(self.proxy.port(mode))
        result = client.get(path)
        client.close()
        return result

    def check_unharmed(self, mode):
        number = next(NUMBERS)
        assert self.get(mode, f"/allow/{number}").status == 200
        assert self.get(mode, f"/deny/{number}").status == 403
        self.proxy.check_alive()

    def end_in_order(self):
        self.proxy.signal(signal.SIGTERM)
        assert self.proxy.wait(60) == 0, self.proxy.describe()
        assert not any(word in self.proxy.log for word in COMPLAINTS), self.proxy.describe()
        self.authorizer.close()


@pytest.fixture(scope="module")
def origin():
    import upstreams  # pylint: disable=import-outside-toplevel
    started = upstreams.EchoServer("origin")
    yield started
    started.close()


@pytest.fixture(scope="module")
def edge(lasting, proxy_bin, origin):
    made = Edge(lasting, proxy_bin, origin)
    yield made
    made.end_in_order()


@pytest.fixture(params=list(STATUS))
def mode(request):
    return request.param


@pytest.fixture(params=[clients.Http1, clients.Http2], ids=["http1", "http2"])
def client_type(request):
    return request.param


@pytest.mark.parametrize("name", list(authorizer.FAILURES))
def test_failed_check(edge, mode, client_type, name):
    path, asked = f"/{name}/{next(NUMBERS)}", edge.origin.requests
    errors = edge.proxy.stat("cluster.up.ext_authz.error")
    result = edge.get(mode, path, client_type)
    assert (result.status, result.end) == (STATUS[mode], clients.CLEAN), result
    assert edge.authorizer.asked[path] == 1, "a check is asked once"
    assert edge.origin.requests - asked == (mode == "open")
    assert edge.proxy.stat("cluster.up.ext_authz.error") == errors + 1
    edge.check_unharmed(mode)


@pytest.mark.parametrize("name", list(authorizer.TWICE))
def test_refusal_beside_an_allowance_is_not_lost(edge, client_type, name):
    asked = edge.origin.requests
    result = edge.get("closed", f"/{name}/{next(NUMBERS)}", client_type)
    assert (result.status, result.end) == (403, clients.CLEAN), result
    assert edge.origin.requests == asked
    edge.check_unharmed("closed")


def test_answer_twice_is_one_request(edge, mode):
    asked = edge.origin.requests
    result = edge.get(mode, f"/allow_twice/{next(NUMBERS)}")
    assert result.status in (200, STATUS[mode]) and result.end == clients.CLEAN, result
    assert edge.origin.requests - asked <= 1
    edge.check_unharmed(mode)


def test_header_of_an_answer_smuggles_nothing(edge, mode):
    result = edge.get(mode, f"/smuggle/{next(NUMBERS)}")
    if result.status == 200:
        assert "x-smuggled" not in json.loads(result.body)["headers"]
    edge.check_unharmed(mode)


@pytest.mark.parametrize("name", ["hang", "hang_after_headers"])
def test_deadline_is_kept(edge, mode, name):
    for number in range(ATTEMPTS):
        began = time.monotonic()
        assert edge.get(mode, f"/{name}/{next(NUMBERS)}").status == STATUS[mode]
        seconds = time.monotonic() - began
        assert seconds >= 0.9 * TIMEOUT_SECONDS
        if seconds <= 1.1 * TIMEOUT_SECONDS:
            return
        assert number + 1 < ATTEMPTS, f"{seconds} s"


def test_answer_after_the_deadline_is_nobodys(edge, mode):
    path = f"/hang/{next(NUMBERS)}"
    client = clients.Http1(edge.proxy.port(mode))
    assert client.get(path).status == STATUS[mode]
    try:
        edge.authorizer.waiting[path].answer(authorizer.ALLOW)
    except authorizer.h2.exceptions.ProtocolError:
        pass  # its stream was reset, and that is known already
    assert client.get(f"/allow/{next(NUMBERS)}").status == 200
    client.close()
    edge.check_unharmed(mode)


@pytest.fixture(scope="module")
def patient(lasting, proxy_bin, origin):
    """Checks have a long time: what ends them is not the deadline."""
    made = Edge(lasting, proxy_bin, origin, timeout=60)
    yield made
    made.end_in_order()


def test_answer_after_the_client_has_gone(patient, mode):
    path = f"/hang/{next(NUMBERS)}"
    asked = patient.origin.requests
    connection = programs.connect(patient.proxy.port(mode))
    connection.sendall(f"GET {path} HTTP/1.1\r\nhost: a\r\n\r\n".encode())
    programs.wait_until(lambda: patient.authorizer.asked[path], "the check")
    hostile.reset(connection)
    programs.wait_until(
        lambda: patient.proxy.stat("http.ingress.downstream_rq_active") == 0, "gone")
    try:
        patient.authorizer.waiting[path].answer(authorizer.ALLOW)
    except authorizer.h2.exceptions.ProtocolError:
        pass
    patient.check_unharmed(mode)
    assert patient.origin.requests == asked + 1, "the allowed one only"


def test_server_dies_with_many_checks_under_way(patient, mode):
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        paths = [f"/hang/{next(NUMBERS)}" for _ in range(20)]
        results = [pool.submit(patient.get, mode, path) for path in paths]
        programs.wait_until(lambda: all(patient.authorizer.asked[path] for path in paths), "all")
        for path in paths:
            try:
                authorizer.close(patient.authorizer.waiting[path])
            except OSError:
                pass  # one connection carries many
        assert {result.result(30).status for result in results} == {STATUS[mode]}
    patient.check_unharmed(mode)


def test_server_dies_while_the_proxy_drains(lasting, proxy_bin, origin, mode):
    edge = Edge(lasting, proxy_bin, origin, timeout=60)
    path = f"/hang/{next(NUMBERS)}"
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        result = pool.submit(edge.get, mode, path)
        programs.wait_until(lambda: edge.authorizer.asked[path], "the check")
        edge.proxy.signal(signal.SIGTERM)
        programs.wait_until(lambda: "DRAINING" in edge.proxy.get_admin("/ready")[1], "draining")
        authorizer.close(edge.authorizer.waiting[path])
        assert result.result(30).status == STATUS[mode]
    assert edge.proxy.wait(60) == 0, edge.proxy.describe()
    assert not any(word in edge.proxy.log for word in COMPLAINTS), edge.proxy.describe()
    edge.authorizer.close()
