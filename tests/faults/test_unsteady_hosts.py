# SPDX-License-Identifier: Apache-2.0
"""Hosts whose names come and go, or that are all ill: what is known to be good is used as long as
nobody says otherwise, and requests that cannot be served are told so at once."""

import socket
import threading

import pytest

import clients
import config
import name_server
import programs
import test_malformed_resources

CARES = config.TYPE + "envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig"
ONE, TWO = "127.0.0.1", "127.0.0.2"


class Host:
    """Answers each request with its own address, and a health check as told."""

    def __init__(self, address, port=0):
        self.address, self.health, self.requests, self.checks = address, 200, 0, 0
        self.socket = socket.create_server((address, port), backlog=256)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(connection,), daemon=True).start()

    def talk(self, connection):
        with connection:
            left = b""
            while True:
                while b"\r\n\r\n" not in left:
                    try:
                        data = connection.recv(65536)
                    except OSError:
                        return
                    if not data:
                        return
                    left += data
                head, _, left = left.partition(b"\r\n\r\n")
                is_check = head.startswith(b"GET /health ")
                status = self.health if is_check else 200
                self.checks += is_check
                self.requests += not is_check
                body = self.address.encode()
                connection.sendall(b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n%s"
                                   % (status, len(body), body))

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


@pytest.fixture
def hosts():
    """Two hosts, on one port of two addresses."""
    for _ in range(20):
        one = Host(ONE)
        try:
            two = Host(TWO, one.port)
            break
        except OSError:  # somebody has the port there
            one.close()
    yield one, two
    one.close()
    two.close()


@pytest.fixture
def names():
    server = name_server.NameServer([ONE])
    yield server
    server.close()


def named_cluster(kind, port, names):
    return config.cluster(
        "up", type=kind, dns_lookup_family="V4_ONLY", dns_refresh_rate="0.05s",
        dns_failure_refresh_rate={"base_interval": "0.05s", "max_interval": "0.05s"},
        load_assignment={"cluster_name": "up", "endpoints": [{"lb_endpoints": [
            {"endpoint": {"address": config.address(port, "up.test")}}]}]},
        typed_dns_resolver_config={"name": "envoy.network.dns_resolver.cares", "typed_config": {
            "@type": CARES, "resolvers": [config.address(names.port)]}})


@pytest.fixture(params=["STRICT_DNS", "LOGICAL_DNS"])
def kind(request):
    return request.param


def start(proxy, cluster):
    started = proxy(config.static(
        [config.listener(config.manager(config.virtual_host(config.to("up"))))], [cluster]))
    started.main = started.port()
    return started


def asked_again(names, times=3):
    before = names.asked
    programs.wait_until(lambda: names.asked >= before + times, "the name is asked for again")


def status(started):
    return clients.Http1(started.main).get("/").status


def test_no_such_name_at_first(proxy, hosts, names, kind):
    names.says = name_server.NO_SUCH_NAME
    started = start(proxy, named_cluster(kind, hosts[0].port, names))
    assert status(started) == 503
    asked_again(names)
    assert status(started) == 503
    names.says = [ONE]
    programs.wait_until(lambda: status(started) == 200, "the name is there")


@pytest.mark.parametrize("fault", [name_server.SERVER_FAILURE, name_server.REFUSED,
                                   b"\x81\x80 garbage", None],
                         ids=["servfail", "refused", "garbage", "silence"])
def test_name_server_that_fails_takes_nothing_away(proxy, hosts, names, kind, fault):
    started = start(proxy, named_cluster(kind, hosts[0].port, names))
    programs.wait_until(lambda: status(started) == 200, "the name is there")
    steady = test_malformed_resources.Steady(started.main)
    names.says = fault
    asked_again(names, 3 if isinstance(fault, int) else 1)  # a further one comes after a timeout
    steady.check()
    names.says = [ONE]
    steady.stop()


def test_name_that_is_gone(proxy, hosts, names):
    """The hosts go with it; they are back as soon as it is."""
    started = start(proxy, named_cluster("STRICT_DNS", hosts[0].port, names))
    for _ in range(3):
        names.says = [ONE]
        programs.wait_until(lambda: status(started) == 200, "the name is there")
        names.says = name_server.NO_SUCH_NAME
        programs.wait_until(lambda: status(started) == 503, "the name is gone")


def test_addresses_that_flap(proxy, hosts, names, kind):
    """Every answer is another one: no request is lost over it."""
    started = start(proxy, named_cluster(kind, hosts[0].port, names))
    programs.wait_until(lambda: status(started) == 200, "the name is there")
    steady = [test_malformed_resources.Steady(started.main) for _ in range(3)]
    for number in range(20):
        names.says = [[ONE], [TWO], [ONE, TWO], [TWO, ONE]][number % 4]
        asked_again(names, 1)
    for one in steady:
        one.check()
        one.stop()
    assert all(host.requests > 0 for host in hosts)
    started.check_alive()


def checked_cluster(hosts, threshold=None):
    common = {} if threshold is None else {"healthy_panic_threshold": {"value": threshold}}
    check = {"timeout": "1s", "interval": "0.05s", "no_traffic_interval": "0.05s",
             "unhealthy_threshold": 1, "healthy_threshold": 1,
             "http_health_check": {"path": "/health"}}
    return config.cluster("up", common_lb_config=common, health_checks=[check], load_assignment={
        "cluster_name": "up", "endpoints": [{"lb_endpoints": [
            {"endpoint": {"address": config.address(host.port, host.address)}}
            for host in hosts]}]})


def set_health(started, hosts, code):
    """All ill or all well, and known to be."""
    for host in hosts:
        host.health = code
    wanted = len(hosts) if code == 200 else 0
    programs.wait_until(lambda: started.stat("cluster.up.membership_healthy") == wanted,
                        lambda: f"{wanted} healthy hosts")


def test_panic_serves_from_all_when_all_are_ill(proxy, hosts):
    started = start(proxy, checked_cluster(hosts))
    set_health(started, hosts, 200)
    steady = test_malformed_resources.Steady(started.main)
    for _ in range(3):
        set_health(started, hosts, 503)
        before = [host.requests for host in hosts]
        steady.check()
        programs.wait_until(lambda before=before: all(
            host.requests > then for host, then in zip(hosts, before)), "both are used")
        set_health(started, hosts, 200)
    steady.stop()
    assert started.stat("cluster.up.lb_healthy_panic") > 0


def test_without_panic_nobody_is_asked_when_all_are_ill(proxy, hosts):
    started = start(proxy, checked_cluster(hosts, threshold=0))
    set_health(started, hosts, 200)
    assert status(started) == 200
    set_health(started, hosts, 503)
    programs.wait_until(lambda: status(started) == 503, "the workers know")
    before = [host.requests for host in hosts]
    assert [status(started) for _ in range(10)] == [503] * 10
    assert [host.requests for host in hosts] == before
    set_health(started, hosts, 200)
    programs.wait_until(lambda: status(started) == 200, "the workers know")
