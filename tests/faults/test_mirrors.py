# SPDX-License-Identifier: Apache-2.0
"""A mirror that never reads or answers: all requests are answered as if it were not there, what they
sent is not kept for it, and the proxy ends in order with mirrors in flight."""

import concurrent.futures
import pathlib
import signal
import socket
import sys
import time

import pytest

import clients
import config

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "security"))

import process  # noqa: E402  pylint: disable=wrong-import-position

CLIENTS, EACH = 6, 50
BODY = b"b" * (1 << 20)
MOST_KIB = 32 * 1024  # a tenth of what all bodies are


@pytest.fixture(params=["http1", "http2"])
def world(request, proxy, echo):
    """Connections to the mirror are taken by the kernel alone, with little room for bytes."""
    upstream, silent = echo(), socket.socket()
    silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    silent.bind(("127.0.0.1", 0))
    silent.listen(1024)
    route = config.to("up", timeout="20s", request_mirror_policies=[{"cluster": "silent"}])
    started = proxy(config.static(
        [config.listener(config.manager(config.virtual_host(route)))],
        [config.cluster("up", upstream.port),
         config.cluster("silent", silent.getsockname()[1], kind=request.param)]))
    started.main, started.upstream = started.port(), upstream
    yield started
    silent.close()


def ask(world, count, **request):
    """How long the slowest of them took."""
    client, slowest = clients.Http1(world.main), 0
    for _ in range(count):
        begin = time.monotonic()
        result = client.get("/", **request)
        slowest = max(slowest, time.monotonic() - begin)
        assert (result.status, result.end) == (200, clients.CLEAN), result
    client.close()
    return slowest


def test_silent_mirror_costs_requests_nothing(world, proxy_bin):
    ask(world, 5, method="POST", body=BODY)
    before = process.status_kib(world.process.pid, "VmRSS")
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        runs = [pool.submit(ask, world, EACH, method="POST", body=BODY) for _ in range(CLIENTS)]
        slowest = max(run.result() for run in runs)
    # Far from the route's timeout, which the mirror would have to wait for.
    assert slowest < 10
    if not process.is_sanitized(proxy_bin):
        assert process.status_kib(world.process.pid, "VmRSS") - before < MOST_KIB
    assert world.upstream.requests == 5 + CLIENTS * EACH
    assert world.stat("cluster.silent.upstream_rq_total") > 0
    assert world.stat("cluster.up.retry_or_shadow_abandoned") > 0
    world.check_alive()


def test_ends_in_order_with_mirrors_in_flight(world, is_envoy):
    if is_envoy:
        pytest.skip("Envoy ends at once on SIGTERM")
    ask(world, 20)
    ask(world, 20, method="POST", body=b"b" * 10_000)
    assert world.stat("cluster.silent.upstream_rq_active") > 0
    world.signal(signal.SIGTERM)
    assert world.wait(10) == 0
