# SPDX-License-Identifier: Apache-2.0
"""What requests in flight need is taken away: they finish; those that come later are told."""

import concurrent.futures

import pytest

import ads_stub
import clients
import config
import programs
import test_malformed_resources

IN_FLIGHT = 40


@pytest.fixture(params=["sotw", "delta"])
def world(request, proxy, echo):
    upstream = echo()
    stub = ads_stub.AdsStub()
    stub.set(*test_malformed_resources.world(upstream.port))
    started = proxy(config.with_ads(stub.port, request.param == "delta"), "--drain-time-s", "20")
    started.upstream, started.stub, started.main = upstream, stub, started.port()
    yield started
    stub.close()


def hold(world, pool):
    """Requests of both protocols whose answers wait, half of them in the middle of the body."""
    kinds = [clients.Http1, clients.Http2]
    held = [pool.submit(kinds[number % 2](world.main, 40).get,
                        "/do/hold_body" if number % 4 < 2 else "/do/hold/x")
            for number in range(IN_FLIGHT)]
    programs.wait_until(lambda: world.upstream.held == IN_FLIGHT, "all are held")
    return held


def check_finish(world, held):
    world.upstream.release()
    for future in held:
        result = future.result(30)
        assert (result.status, result.end) == (200, clients.CLEAN), result
        assert result.body in (b"firstlater", b"released x")
    world.check_alive()


@pytest.fixture
def pool():
    with concurrent.futures.ThreadPoolExecutor(IN_FLIGHT) as made:
        yield made


def test_cluster(world, pool):
    held = hold(world, pool)
    world.stub.set(remove=[(config.CLUSTER, "up")])
    programs.wait_until(lambda: clients.Http1(world.main).get("/").status == 503, "503")
    assert world.stat("http.ingress.no_cluster") >= 1
    check_finish(world, held)


def test_cluster_with_its_endpoints_and_back(world, pool):
    """Broken before made: the order is wrong, nothing else is."""
    held = hold(world, pool)
    for _ in range(5):
        world.stub.set(remove=[(config.ENDPOINTS, "up"), (config.CLUSTER, "up")])
        programs.wait_until(lambda: clients.Http1(world.main).get("/").status == 503, "503")
        world.stub.set(*test_malformed_resources.world(world.upstream.port)[:2])
        programs.wait_until(lambda: clients.Http1(world.main).get("/").status == 200, "200")
    check_finish(world, held)


def test_all_endpoints(world, pool):
    held = hold(world, pool)
    world.stub.set(config.typed(config.ENDPOINTS, {"cluster_name": "up"}))
    programs.wait_until(lambda: clients.Http1(world.main).get("/").status == 503, "503")
    check_finish(world, held)


def test_routes(world, pool):
    held = hold(world, pool)
    world.stub.set(config.typed(config.ROUTES, {"name": "main"}))
    programs.wait_until(lambda: clients.Http1(world.main).get("/").status == 404, "404")
    check_finish(world, held)


def test_listener(world, pool):
    held = hold(world, pool)
    world.stub.set(remove=[(config.LISTENER, "main")])

    def is_refused():
        try:
            return clients.Http1(world.main, 2).get("/").status is None
        except ConnectionError:
            return True

    programs.wait_until(is_refused, "refused")
    check_finish(world, held)


def test_everything(world, pool):
    held = hold(world, pool)
    world.stub.set(remove=[(config.CLUSTER, "up"), (config.ROUTES, "main"),
                           (config.ENDPOINTS, "up"), (config.LISTENER, "main")])
    programs.wait_until(lambda: not world.listeners(), "the listener is gone")
    check_finish(world, held)


def test_secret(world, pool, certs):
    """The last good one is kept; nothing of a connection in use changes."""
    tls = {"common_tls_context": {"tls_certificate_sds_secret_configs": [
        {"name": "server", "sds_config": config.ADS}]}}
    world.stub.set(
        config.typed(config.SECRET, {"name": "server", "tls_certificate": config.inline(
            certs.cert("edge"), certs.key("edge"))}),
        config.typed(config.LISTENER, config.listener(
            config.manager(rds="main"), name="tls", tls=tls)))
    world.port("tls")
    held = hold(world, pool)
    world.stub.set(remove=[(config.SECRET, "server")])
    assert clients.Http1(world.main).get("/").status == 200
    check_finish(world, held)
