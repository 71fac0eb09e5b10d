# SPDX-License-Identifier: Apache-2.0
"""Names that are never seen again: what was kept for clusters, listeners, routes and TLS contexts goes with
them, and so do their statistics.

SALLYPORT_FAULT_NAMES  how many rounds are measured
"""

import os
import pathlib
import sys

import pytest

import ads_stub
import clients
import config
import programs

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "security"))

import process  # noqa: E402  pylint: disable=wrong-import-position

WARM_UP, ROUNDS = 100, int(os.environ.get("SALLYPORT_FAULT_NAMES", "200"))
GROWTH_KIB = 1024


@pytest.fixture(params=["sotw", "delta"])
def world(request, proxy, echo):
    upstream = echo()
    stub = ads_stub.AdsStub()
    stub.set(config.typed(config.CLUSTER, config.cluster("up", upstream.port)),
             config.typed(config.LISTENER, config.listener(config.manager(
                 config.virtual_host(config.to("up"))))))
    started = proxy(config.with_ads(stub.port, request.param == "delta"))
    started.stub, started.main, started.upstream = stub, started.port(), upstream
    yield started
    stub.close()


def resources(world, number, certs):
    """A cluster, and a listener with TLS whose routes are fetched and name it, all of this number."""
    tls = {"common_tls_context": {"tls_certificates": [
        config.inline(certs.cert("edge"), certs.key("edge"))]}}
    manager = config.manager(rds=f"routes-{number}", stat_prefix=f"prefix-{number}")
    return [
        config.typed(config.CLUSTER, config.cluster(f"cluster-{number}", world.upstream.port)),
        config.typed(config.LISTENER, config.listener(manager, name=f"listener-{number}", tls=tls)),
        config.typed(config.ROUTES, config.routes(f"routes-{number}", config.virtual_host(
            config.to(f"cluster-{number}"))))]


def come_and_go(world, number, certs):
    added = world.stub.set(*resources(world, number, certs))
    assert world.stub.answer(added[config.LISTENER]).error == ""
    removed = world.stub.set(remove=[
        (config.LISTENER, f"listener-{number}"), (config.ROUTES, f"routes-{number}"),
        (config.CLUSTER, f"cluster-{number}")])
    assert world.stub.answer(removed[config.CLUSTER]).error == ""


def test_all_that_names_took_is_given_back(world, certs, proxy_bin, is_envoy):
    for number in range(WARM_UP):
        come_and_go(world, number, certs)
    before = process.status_kib(world.process.pid, "VmRSS")
    for number in range(WARM_UP, WARM_UP + ROUNDS):
        come_and_go(world, number, certs)
    world.stub.set(*resources(world, "last", certs))
    port = world.port("listener-last")
    certificates = world.get_admin("/certs")[1].count('"cert_chain"')
    programs.wait_until(lambda: not any(
        f"-{number}" in world.get_admin("/stats")[1]
        for number in (WARM_UP, WARM_UP + ROUNDS - 1)), "no statistics of theirs are left")
    assert clients.Http1(world.main).get("/").status == 200
    assert port and certificates == 1
    if not is_envoy and not process.is_sanitized(proxy_bin):
        # 2 KiB each were kept of the names alone, 60 of a TLS context.
        assert process.status_kib(world.process.pid, "VmRSS") - before < GROWTH_KIB


def test_a_route_finds_its_cluster_whenever_that_comes(world):
    """It holds the name while nothing is there, and others come and go."""
    routes = config.typed(config.LISTENER, config.listener(config.manager(
        config.virtual_host(config.to("later", prefix="/later"), config.to("up"))), name="second"))
    routes["filter_chains"][0]["filters"][0]["typed_config"]["route_config"][
        "validate_clusters"] = False
    world.stub.set(routes)
    port = world.port("second")
    later = config.typed(config.CLUSTER, config.cluster("later", world.upstream.port))
    for number in range(3):
        assert clients.Http1(port).get("/later").status == 503
        for other in range(300):
            world.stub.set(config.typed(config.CLUSTER, config.cluster(
                f"other-{number}-{other}", world.upstream.port)))
            world.stub.set(remove=[(config.CLUSTER, f"other-{number}-{other}")])
        world.stub.set(later)
        programs.wait_until(lambda: clients.Http1(port).get("/later").status == 200, "200")
        world.stub.set(remove=[(config.CLUSTER, "later")])
        programs.wait_until(lambda: clients.Http1(port).get("/later").status == 503, "503")
    assert clients.Http1(port).get("/").status == 200
