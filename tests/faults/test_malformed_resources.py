# SPDX-License-Identifier: Apache-2.0
"""Resources that are wrong in many ways, over ADS: refused by name and field path; the good ones of
the same push are applied, the last good one is kept, and traffic notices nothing."""

import threading
import time

import pytest
from google.protobuf import any_pb2

import ads_stub
import clients
import config
import programs


def world(port, kind="http1", **manager_options):
    return [
        config.typed(config.CLUSTER, config.eds_cluster("up", kind)),
        config.typed(config.ENDPOINTS, config.assignment("up", port)),
        config.typed(config.LISTENER, config.listener(
            config.manager(rds="main", **manager_options))),
        config.typed(config.ROUTES, config.routes("main", config.virtual_host(config.to("up")))),
    ]


class Steady:
    """A well-behaved client at some hundred requests a second; nothing but 200 may be its lot."""

    def __init__(self, port):
        self.port, self.good, self.bad = port, 0, []
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def work(self):
        client = clients.Http1(self.port)
        while not self.is_over.wait(0.005):
            try:
                result = client.get("/steady")
            except (OSError, AssertionError) as error:
                self.bad.append(repr(error))
                client.close()
                continue
            if (result.status, result.end) == (200, clients.CLEAN):
                self.good += 1
            else:
                self.bad.append(repr(result))

    def check(self):
        wanted = self.good + 5
        programs.wait_until(lambda: self.good >= wanted or self.bad, "steady requests")
        assert not self.bad, self.bad[:5]

    def stop(self):
        self.is_over.set()
        self.thread.join(20)
        assert not self.bad, self.bad[:5]


class Edge:
    def __init__(self, runner, binary, port, is_delta):
        self.port, self.stub = port, ads_stub.AdsStub()
        self.stub.set(*world(port))
        self.proxy = runner.proxy(binary, config.with_ads(self.stub.port, is_delta))
        self.steady = Steady(self.proxy.port())
        self.good = 0

    def another_good(self, url):
        """A further good resource of the same type, to be pushed with a bad one."""
        self.good += 1
        name = f"good-{self.good}"
        if url == config.LISTENER:
            return config.listener(config.manager(rds="main"), name=name)
        if url == config.CLUSTER:
            return config.cluster(name, self.port)
        return None

    def is_there(self, url, name):
        if url == config.LISTENER:
            return name in self.proxy.listeners()
        return f'"{name}"' in self.proxy.get_admin("/clusters?format=json")[1]


@pytest.fixture(scope="module", params=["sotw", "delta"])
def edge(request, lasting, proxy_bin):
    import upstreams  # pylint: disable=import-outside-toplevel
    echo = upstreams.EchoServer("echo")
    made = Edge(lasting, proxy_bin, echo.port, request.param == "delta")
    yield made
    made.steady.stop()
    made.stub.close()
    echo.close()


def manager(**more):
    return config.manager(config.virtual_host(config.to("up")), **more)


def bad_listener(*filters, **more):
    return config.listener(*(filters or [manager()]), name="bad", **more)


def with_route(**route):
    return {"match": {"prefix": "/"}, **route}


UNKNOWN_TYPE = {"@type": config.TYPE + "envoy.extensions.transport_sockets.tls.v3.Secret"}

# name: (type, resource, what the refusal must say beside the name "bad")
BAD = {
    "listener_without_router": (config.LISTENER, bad_listener(manager(http_filters=[])),
                                ["http_filters"]),
    "listener_two_routers": (config.LISTENER, bad_listener(
        manager(http_filters=[config.ROUTER, config.ROUTER])), ["http_filters"]),
    "listener_unknown_http_filter": (config.LISTENER, bad_listener(manager(http_filters=[
        {"name": "none.such", "typed_config": UNKNOWN_TYPE}, config.ROUTER])),
                                     ["http_filters[0]", "none.such"]),
    "listener_unknown_network_filter": (config.LISTENER, bad_listener(
        {"name": "none.such", "typed_config": UNKNOWN_TYPE}), ["filters[0]", "none.such"]),
    "listener_no_address": (config.LISTENER, {"name": "bad", "filter_chains": [
        {"filters": [manager()]}]}, ["address"]),
    "listener_no_chains": (config.LISTENER, {"name": "bad", "address": config.address(0)},
                           ["filter chain"]),
    "listener_port_over_65535": (config.LISTENER, bad_listener(port=70000), ["port_value"]),
    "listener_address_no_ip": (config.LISTENER, {**bad_listener(), "address": config.address(
        0, "no-ip")}, ["address"]),
    "listener_empty_stat_prefix": (config.LISTENER, bad_listener(manager(stat_prefix="")),
                                   ["stat_prefix"]),
    "listener_key_of_another": (config.LISTENER, bad_listener(tls={"common_tls_context": {
        "tls_certificates": [{"certificate_chain": {"inline_string": "no PEM"},
                              "private_key": {"inline_string": "no PEM"}}]}}),
                                ["tls_certificates[0]"]),
    "listener_route_to_nowhere": (config.LISTENER, bad_listener(config.manager(
        config.virtual_host(with_route(route={"cluster": ""})))), ["routes[0]", "cluster"]),
    "listener_two_equal_domains": (config.LISTENER, bad_listener(config.manager(
        config.virtual_host(config.to("up")), config.virtual_host(config.to("up"), name="b"))),
                                   ["domain"]),
    "listener_bad_regex": (config.LISTENER, bad_listener(config.manager(config.virtual_host(
        {"match": {"safe_regex": {"regex": "("}}, "route": {"cluster": "up"}}))), ["regex"]),
    "cluster_ring_too_large": (config.CLUSTER, config.cluster(
        "bad", 1, lb_policy="RING_HASH", ring_hash_lb_config={"minimum_ring_size": 99999999999}),
                               ["minimum_ring_size"]),
    "cluster_negative_timeout": (config.CLUSTER, config.cluster("bad", 1, connect_timeout="-1s"),
                                 ["connect_timeout"]),
    "cluster_eds_without_source": (config.CLUSTER, {"name": "bad", "type": "EDS"}, ["eds"]),
    "cluster_static_host_name": (config.CLUSTER, {
        "name": "bad", "type": "STATIC", "load_assignment": {"cluster_name": "bad", "endpoints": [
            {"lb_endpoints": [{"endpoint": {"address": config.address(80, "a.test")}}]}]}},
                                 ["address"]),
    "cluster_of_another_name": (config.CLUSTER, config.cluster(
        "bad", 1, health_checks=[{"timeout": "1s", "interval": "0s", "tcp_health_check": {}}]),
                                ["health_checks[0]"]),
    "cluster_unknown_socket": (config.CLUSTER, config.cluster("bad", 1, transport_socket={
        "name": "none.such", "typed_config": UNKNOWN_TYPE}), ["transport_socket"]),
}


@pytest.mark.parametrize("name", list(BAD))
def test_refused_by_name_and_path_beside_a_good_one(edge, name):
    url, resource, reasons = BAD[name]
    good = edge.another_good(url)
    # The bad one stands between what was there and what is good and new.
    nonce = edge.stub.set(config.typed(url, resource), config.typed(url, good))[url]
    error = edge.stub.answer(nonce).error
    assert "bad" in error and all(reason in error for reason in reasons), error or "accepted"
    programs.wait_until(lambda: edge.is_there(url, good["name"]), "the good one is applied")
    assert not edge.is_there(url, "bad")
    edge.steady.check()
    edge.stub.answer(edge.stub.set(remove=[(url, "bad"), (url, good["name"])])[url])


@pytest.mark.parametrize("change,reason", [
    ({"virtual_hosts": [{"name": "", "domains": ["*"]}]}, "virtual_hosts[0].name"),
    ({"virtual_hosts": [{"name": "a", "domains": []}]}, "virtual_hosts[0].domains"),
    ({"virtual_hosts": [config.virtual_host({"match": {"prefix": "/"}})]}, "routes[0]"),
    ({"virtual_hosts": [config.virtual_host({"route": {"cluster": "up"}})]}, "routes[0].match"),
    ({"virtual_hosts": [config.virtual_host(with_route(redirect={"response_code": 99}))]},
     "response_code"),
    ({"virtual_hosts": [config.virtual_host(with_route(route={"weighted_clusters": {
        "clusters": [{"name": "up", "weight": 0}]}}))]}, "weighted_clusters"),
])
def test_bad_routes_leave_the_last_good_ones(edge, change, reason):
    if "99" in str(change):
        change = {"virtual_hosts": [config.virtual_host(with_route(
            direct_response={"status": 99}))]}
        reason = "status"
    nonce = edge.stub.set(config.typed(config.ROUTES, {"name": "main", **change}))[config.ROUTES]
    error = edge.stub.answer(nonce).error
    assert "main" in error and reason in error, error or "accepted"
    edge.steady.check()
    nonce = edge.stub.set(world(edge.port)[3])[config.ROUTES]
    assert not edge.stub.answer(nonce).error
    edge.steady.check()


@pytest.mark.parametrize("endpoint,reason", [
    ({"endpoint": {"address": config.address(80, "no-ip")}}, "address"),
    ({"endpoint": {}, "load_balancing_weight": 0}, "load_balancing_weight"),
    ({"endpoint": {"address": config.address(70000)}}, "port_value"),
])
def test_bad_endpoints_leave_the_last_good_ones(edge, endpoint, reason):
    nonce = edge.stub.set(config.typed(config.ENDPOINTS, {"cluster_name": "up", "endpoints": [
        {"lb_endpoints": [endpoint]}]}))[config.ENDPOINTS]
    error = edge.stub.answer(nonce).error
    assert "up" in error and reason in error, error or "accepted"
    edge.steady.check()
    assert not edge.stub.answer(edge.stub.set(world(edge.port)[1])[config.ENDPOINTS]).error
    edge.steady.check()


RAW = {
    "no_protobuf": b"\xff\xff\xff\xff",
    "cut_short": b"\x0a\x10bad",
    "deeply_nested": b"",  # made in the test
    "nul_in_name": b"\x0a\x05bad\x00x",
    "no_utf8_in_name": b"\x0a\x04bad\xff",
    "empty": b"",
    "group_wire_type": b"\x0b\x0b\x0b",
    "field_number_0": b"\x02\x03bad",
}


def nested(depth=20_000):
    """A field within itself: metadata with a struct of structs."""
    value = b""
    for _ in range(depth):
        # Value.struct_value (5) { fields (1) { value (2) } }
        value = wrap(0x2a, wrap(0x0a, wrap(0x12, value)))
        if len(value) > 60_000:
            break
    return b"\x0a\x03bad" + wrap(0x9a, wrap(0x0a, b"\x0a\x01a" + wrap(0x12, wrap(
        0x0a, wrap(0x12, value)))), second=0x01)


def wrap(key, body, second=None):
    size, length = b"", len(body)
    while length > 127:
        size, length = size + bytes([length & 127 | 128]), length >> 7
    return bytes([key] + ([second] if second is not None else [])) + size + bytes([length]) + body


@pytest.mark.parametrize("url", [config.LISTENER, config.CLUSTER])
@pytest.mark.parametrize("name", list(RAW))
def test_bytes_that_are_no_resource_are_refused(edge, name, url):
    content = nested() if name == "deeply_nested" else RAW[name]
    nonce = edge.stub.set_raw(url, "bad", any_pb2.Any(type_url=url, value=content))
    assert edge.stub.answer(nonce).error, "accepted"
    edge.steady.check()
    edge.stub.answer(edge.stub.set(remove=[(url, "bad")])[url])


def test_resource_of_another_type_is_refused(edge):
    nonce = edge.stub.set_raw(config.LISTENER, "bad", ads_stub.packed(config.typed(
        config.CLUSTER, config.cluster("bad", 1))))
    assert edge.stub.answer(nonce).error
    edge.steady.check()
    edge.stub.answer(edge.stub.set(remove=[(config.LISTENER, "bad")])[config.LISTENER])


def test_bad_update_of_a_running_listener_keeps_the_running_one(edge):
    listener = config.listener(config.manager(rds="main", http_filters=[]))
    nonce = edge.stub.set(config.typed(config.LISTENER, listener))[config.LISTENER]
    assert "main" in edge.stub.answer(nonce).error
    edge.steady.check()
    clients.Http1(edge.steady.port).get("/new")
    assert not edge.stub.answer(edge.stub.set(world(edge.port)[2])[config.LISTENER]).error


def test_refused_again_and_again_stays_small(edge):
    """A bad resource that is sent a hundred times costs a hundred refusals, no more."""
    for _ in range(100):
        nonce = edge.stub.set(config.typed(config.LISTENER, bad_listener(
            manager(http_filters=[]))))[config.LISTENER]
    assert edge.stub.answer(nonce).error
    before = edge.stub.requests
    time.sleep(0.3)  # nothing more comes: the absence of requests can only be waited for
    assert edge.stub.requests - before < 5
    edge.steady.check()
    edge.stub.answer(edge.stub.set(remove=[(config.LISTENER, "bad")])[config.LISTENER])
