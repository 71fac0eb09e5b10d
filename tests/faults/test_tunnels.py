# SPDX-License-Identifier: Apache-2.0
"""Tunnels that outlive the routes which led to them: what was replaced is freed, what the access log says
of its end was so at its beginning.
"""

import pathlib
import sys

import pytest
from envoy.extensions.access_loggers.file.v3 import file_pb2  # noqa: F401  pylint: disable=unused-import
from envoy.extensions.filters.http.rbac.v3 import rbac_pb2  # noqa: F401  pylint: disable=unused-import

import ads_stub
import config
import programs
import traffic

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "security"))

import process  # noqa: E402  pylint: disable=wrong-import-position

FORMAT = ("%ROUTE_NAME% %UPSTREAM_CLUSTER% %METADATA(ROUTE:space:key)% "
          "%METADATA(VIRTUAL_HOST:space:key)% %REQ(X-ID)% %PROTOCOL% %RESPONSE_CODE% "
          "%RESP(UPGRADE)% %RESPONSE_CODE_DETAILS%\n")
TUNNELS, ROUTES = 25, 3000


def route_table(version, count=ROUTES, **per_route):
    """About 2 MB in the proxy; the version is in whatever the log may ask for."""
    found = {"name": f"route-{version}", **config.to("up"), **per_route,
             "metadata": {"filter_metadata": {"space": {"key": f"route-value-{version}"}}}}
    others = [config.to("up", prefix=f"/{number}/") for number in range(count)]
    return config.typed(config.ROUTES, config.routes("main", config.virtual_host(
        *others, found, name=f"host-{version}",
        metadata={"filter_metadata": {"space": {"key": f"host-value-{version}"}}})))


@pytest.fixture
def world(proxy, echo, tmp_path):
    upstream = echo()
    stub = ads_stub.AdsStub()
    log = {"name": "envoy.access_loggers.file", "typed_config": {
        "@type": config.TYPE + "envoy.extensions.access_loggers.file.v3.FileAccessLog",
        "path": str(tmp_path / "access.log"),
        "log_format": {"text_format_source": {"inline_string": FORMAT}}}}
    manager = config.manager(rds="main", access_log=[log],
                             upgrade_configs=[{"upgrade_type": "websocket"}])
    stub.set(config.typed(config.CLUSTER, config.cluster("up", upstream.port)), route_table(0, 1),
             config.typed(config.LISTENER, config.listener(manager)))
    started = proxy(config.with_ads(stub.port), "--file-flush-interval-msec", "50")
    started.stub, started.main, started.log_path = stub, started.port(), tmp_path / "access.log"
    yield started
    stub.close()


def push(world, *arguments, **options):
    taken = world.stat("http.ingress.rds.main.update_success")
    world.stub.set(route_table(*arguments, **options))
    programs.wait_until(lambda: world.stat("http.ingress.rds.main.update_success") > taken, "taken")


def open_tunnel(world, name):
    connection = programs.connect(world.main)
    connection.sendall(b"GET /ws HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
                       b"x-id: %s\r\nsec-websocket-version: 13\r\n"
                       b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" % name.encode())
    head = b""
    while b"\r\n\r\n" not in head:
        head += connection.recv(4096)
    assert head.startswith(b"HTTP/1.1 101")
    traffic.say(connection, b"hello")
    return connection


def logged(world, name):
    return programs.wait_until(
        lambda: [line.split() for line in world.log_path.read_text().splitlines()
                 if f" {name} " in line], f"the log of {name}")[0]


def test_the_log_of_a_tunnel_names_the_route_that_it_came_by(world):
    push(world, 1, 1)
    tunnel = open_tunnel(world, "first")
    push(world, 2, 1)
    traffic.say(tunnel, b"still there")
    tunnel.close()
    assert logged(world, "first") == [
        "route-1", "up", "route-value-1", "host-value-1", "first", "HTTP/1.1", "101",
        "websocket", "downstream_remote_disconnect"]


def test_routes_that_were_replaced_are_freed_under_open_tunnels(world, proxy_bin, is_envoy):
    if is_envoy:
        pytest.skip("Envoy keeps them")
    tunnels, resident = [], lambda: process.status_kib(world.process.pid, "VmRSS")
    for version in range(4):
        push(world, version + 1)
    before = resident()
    for version in range(TUNNELS):
        push(world, version + 5)
        tunnels.append(open_tunnel(world, f"number-{version}"))
    # One table is 2 MB: 50 MB if each tunnel held its own.
    if not process.is_sanitized(proxy_bin):
        assert resident() - before < 16 * 1024
    for tunnel in tunnels:
        traffic.say(tunnel, b"still there")
        tunnel.close()
    assert logged(world, f"number-{TUNNELS - 1}")[0] == f"route-{TUNNELS + 4}"


def test_tunnels_end_in_order_with_overrides_on_their_route(world):
    """Filters may look at those until the end: such a route configuration stays."""
    rbac = "envoy.extensions.filters.http.rbac.v3."
    push(world, 1, 1, typed_per_filter_config={
        "envoy.filters.http.rbac": {"@type": config.TYPE + rbac + "RBACPerRoute"}})
    tunnel = open_tunnel(world, "kept")
    push(world, 2, 1)
    traffic.say(tunnel, b"still there")
    tunnel.close()
    assert logged(world, "kept")[:3] == ["route-1", "up", "route-value-1"]
