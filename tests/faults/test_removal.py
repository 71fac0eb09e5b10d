# SPDX-License-Identifier: Apache-2.0
"""What a thousand requests in flight need is taken away: they finish; those that come later are told."""

import pytest

import ads_stub
import clients
import config
import crowd
import programs
import test_malformed_resources

IN_FLIGHT = 1000


@pytest.fixture(params=[("sotw", "http1"), ("delta", "http2")], ids=lambda param: param[0])
def world(request, proxy, tmp_path):
    """Requests in flight, towards an origin of one or the other protocol."""
    variant, kind = request.param
    crowd.allow_files(4 * IN_FLIGHT)
    origin, stub, log = crowd.Origin(kind), ads_stub.AdsStub(), tmp_path / "access.log"
    resources = test_malformed_resources.world(origin.port, kind, access_log=[flags_to(log)])
    stub.set(*resources)
    started = proxy(config.with_ads(stub.port, variant == "delta"), "--drain-time-s", "20",
                    "--file-flush-interval-msec", "20")
    started.origin, started.stub, started.main = origin, stub, started.port()
    started.log_of_flags, started.resources = log, resources
    started.crowd = crowd.Crowd(started.main, IN_FLIGHT)
    programs.wait_until(lambda: origin.held == IN_FLIGHT, lambda: f"{origin.held} are held")
    yield started
    started.crowd.close()
    stub.close()
    origin.close()


def flags_to(path):
    return {"name": "envoy.access_loggers.file", "typed_config": {
        "@type": config.TYPE + "envoy.extensions.access_loggers.file.v3.FileAccessLog",
        "path": str(path), "log_format": {"text_format_source": {
            "inline_string": "%RESPONSE_CODE% %RESPONSE_FLAGS% %REQ(:PATH)%\n"}}}}


def answered(world, status, flags, path):
    """Asks until that is the answer; its flags are in the log."""
    programs.wait_until(lambda: clients.Http1(world.main).get(path).status == status, status)
    programs.wait_until(lambda: f"{status} {flags} {path}\n" in world.log_of_flags.read_text(),
                        lambda: world.log_of_flags.read_text()[-200:])


def check_finish(world):
    world.origin.release()
    assert world.crowd.finish() == IN_FLIGHT
    world.check_alive()
    programs.wait_until(lambda: world.stat("http.ingress.downstream_rq_active") == 0, "none active")


def test_cluster(world):
    world.stub.set(remove=[(config.CLUSTER, "up")])
    answered(world, 503, "NC", "/late")
    assert world.stat("http.ingress.no_cluster") >= 1
    check_finish(world)


def test_cluster_with_its_endpoints_and_back(world):
    """Broken before made: the order is wrong, nothing else is."""
    for number in range(5):
        world.stub.set(remove=[(config.ENDPOINTS, "up"), (config.CLUSTER, "up")])
        answered(world, 503, "NC", f"/broken-{number}")
        world.stub.set(*world.resources[:2])
        answered(world, 200, "-", f"/made-{number}")
    check_finish(world)


def test_routes_before_their_cluster(world):
    """The routes name a cluster that comes after the one before it has gone."""
    world.stub.set(config.typed(config.ROUTES, config.routes(
        "main", config.virtual_host(config.to("next")))))
    answered(world, 503, "NC", "/between")
    world.stub.set(remove=[(config.CLUSTER, "up"), (config.ENDPOINTS, "up")])
    cluster, endpoints = ({**resource} for resource in world.resources[:2])
    cluster["name"] = endpoints["cluster_name"] = "next"
    world.stub.set(cluster, endpoints)
    answered(world, 200, "-", "/after")
    check_finish(world)


def test_all_endpoints(world):
    world.stub.set(config.typed(config.ENDPOINTS, {"cluster_name": "up"}))
    answered(world, 503, "UH", "/late")
    check_finish(world)


def test_routes(world):
    world.stub.set(config.typed(config.ROUTES, {"name": "main"}))
    answered(world, 404, "NR", "/late")
    check_finish(world)


def test_listener(world):
    world.stub.set(remove=[(config.LISTENER, "main")])

    def is_refused():
        try:
            return clients.Http1(world.main, 2).get("/").status is None
        except ConnectionError:
            return True

    programs.wait_until(is_refused, "refused")
    check_finish(world)


def test_everything(world):
    world.stub.set(remove=[(config.CLUSTER, "up"), (config.ROUTES, "main"),
                           (config.ENDPOINTS, "up"), (config.LISTENER, "main")])
    programs.wait_until(lambda: not world.listeners(), "the listener is gone")
    check_finish(world)


def test_secret(world, certs):
    """The last good one is kept; nothing of a connection in use changes."""
    tls = {"common_tls_context": {"tls_certificate_sds_secret_configs": [
        {"name": "server", "sds_config": config.ADS}]}}
    world.stub.set(
        config.typed(config.SECRET, {"name": "server", "tls_certificate": config.inline(
            certs.cert("edge"), certs.key("edge"))}),
        config.typed(config.LISTENER, config.listener(
            config.manager(rds="main"), name="tls", tls=tls)))
    world.port("tls")
    world.stub.set(remove=[(config.SECRET, "server")])
    answered(world, 200, "-", "/late")
    check_finish(world)
