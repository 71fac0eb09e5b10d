# SPDX-License-Identifier: Apache-2.0
"""Management servers that are down, die, say nothing, break off, talk nonsense or change all the time:
what was accepted stays, and no request fails."""

import os
import time

import pytest
from envoy.service.discovery.v3 import discovery_pb2

import ads_stub
import clients
import config
import hostile
import programs
import test_malformed_resources

SECONDS = 3  # for how long a fault goes on
MOST_ATTEMPTS = 7  # to reach a management server in that time


@pytest.fixture(params=["sotw", "delta"])
def is_delta(request):
    return request.param == "delta"


@pytest.fixture
def edge(proxy, echo, is_delta):
    upstream, stub = echo(), ads_stub.AdsStub()
    stub.set(*test_malformed_resources.world(upstream.port))
    started = proxy(config.with_ads(stub.port, is_delta))
    started.stub, started.upstream = stub, upstream
    started.steady = test_malformed_resources.Steady(started.port())
    started.steady.check()
    yield started
    started.steady.stop()
    started.stub.close()


def cpu_seconds(program):
    fields = open(f"/proc/{program.process.pid}/stat", encoding="ascii").read().rpartition(")")[2]
    user, system = fields.split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def static_part(bootstrap, port):
    bootstrap["static_resources"]["clusters"].append(config.cluster("up", port))
    bootstrap["static_resources"]["listeners"] = [
        config.listener(config.manager(config.virtual_host(config.to("up"))))]
    for source in ("cds_config", "lds_config"):
        bootstrap["dynamic_resources"][source] = {**config.ADS, "initial_fetch_timeout": "0.3s"}
    return bootstrap


def silent(connection):
    while connection.recv(65536):
        pass


def breaks_off(connection):
    connection.recv(1)
    hostile.reset(connection)


def garbage(connection):
    connection.recv(1)
    connection.sendall(b"HTTP/1.1 400 no gRPC here\r\n\r\n" + os.urandom(4096))
    connection.recv(65536)
    connection.close()


def drip(connection):
    """The begin of an HTTP/2 connection, a byte at a time."""
    while True:
        for byte in hostile.frame(hostile.SETTINGS, 0, 0, b"\x00\x03\x00\x00\x00\x64"):
            connection.sendall(bytes([byte]))
            time.sleep(0.05)


@pytest.mark.parametrize("talk", [silent, breaks_off, garbage, drip])
def test_start_with_a_server_that_is_none(proxy, echo, is_delta, talk):
    server = ads_stub.Listening(talk)
    started = proxy(static_part(config.with_ads(server.port, is_delta), echo().port))
    steady = test_malformed_resources.Steady(started.port())
    programs.wait_until(lambda: server.accepted, "the proxy has tried")
    began, used, accepted = time.monotonic(), cpu_seconds(started), server.accepted
    programs.wait_until(lambda: time.monotonic() > began + SECONDS, "some seconds")
    # Each wait is drawn below a bound that doubles from 0.5 s: eight of them end within 3 s once in
    # three million runs.
    assert server.accepted - accepted <= MOST_ATTEMPTS
    if not os.environ.get("SALLYPORT_SLOW"):
        assert cpu_seconds(started) - used < SECONDS * 0.25
    steady.stop()
    server.close()


def test_server_dies_and_comes_back(edge, is_delta, echo):
    del is_delta
    port = edge.stub.port
    edge.stub.close()
    programs.wait_until(lambda: edge.stat("control_plane.connected_state") == 0, "noticed")
    began = edge.steady.good
    programs.wait_until(lambda: edge.steady.good > began + 100 or edge.steady.bad, "requests")
    other = echo("other")
    edge.stub = ads_stub.AdsStub(port)
    edge.stub.set(*test_malformed_resources.world(other.port))
    programs.wait_until(lambda: other.requests > 0, "its news are used", 60)
    edge.steady.check()


def test_streams_end_again_and_again(edge):
    """Each time all is asked for anew and is as it was: nothing changes."""
    for _ in range(5):
        count = edge.stub.requests
        with edge.stub.lock:
            for stream in edge.stub.streams:
                stream.outgoing.put(None)
        programs.wait_until(lambda before=count: edge.stub.requests > before + 3,
                            "asked for anew", 60)
    edge.steady.check()
    assert edge.stat("listener_manager.listener_modified") == 0
    assert edge.stat("cluster_manager.cluster_modified") == 0


def test_wrong_nonces_are_only_echoed(edge):
    edge.stub.nonce_of = lambda number: f"not-{number}-what-was-expected"
    nonce = edge.stub.set(config.typed(config.CLUSTER, config.cluster("more", 1)))[config.CLUSTER]
    assert not edge.stub.answer(nonce).error
    edge.stub.nonce_of = lambda number: "always the same"
    for number in range(5):
        edge.stub.set(config.typed(config.CLUSTER, config.cluster(f"more-{number}", 1)))
    programs.wait_until(
        lambda: "more-4" in edge.get_admin("/clusters?format=json")[1], "the last is there")
    edge.steady.check()


def test_types_that_nobody_asked_for(edge, is_delta):
    message = (discovery_pb2.DeltaDiscoveryResponse(system_version_info="1") if is_delta else
               discovery_pb2.DiscoveryResponse(version_info="1"))
    for url in ("", "type.googleapis.com/none.such", config.SECRET):
        message.type_url, message.nonce = url, f"unasked {url}"
        edge.stub.send(message)
    edge.steady.check()
    programs.wait_until(lambda: edge.stub.streams, "a stream is there", 60)
    edge.check_alive()


def test_versions_that_flap(edge):
    """A hundred changes a second between two states, in all types; the last one holds."""
    began, used, number = time.monotonic(), cpu_seconds(edge), 0
    while time.monotonic() < began + SECONDS:
        number += 1
        world = test_malformed_resources.world(edge.upstream.port)
        if number % 2:
            world[0]["connect_timeout"] = "4s"
            world[3]["virtual_hosts"][0]["routes"].insert(0, config.to("up", prefix="/other"))
        nonces = edge.stub.set(*world)
        time.sleep(0.01)
    for nonce in nonces.values():
        if nonce:
            assert not edge.stub.answer(nonce).error
    edge.steady.check()
    if not os.environ.get("SALLYPORT_SLOW"):
        assert cpu_seconds(edge) - used < SECONDS * 0.6
