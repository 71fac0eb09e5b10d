# SPDX-License-Identifier: Apache-2.0
"""The overload manager by memory that is really used: uploads that nobody reads fill the heap, then
new requests are refused; when the uploads have gone, requests are served again. Near the limit of a
control group, without any configuration, the streams that hold most are reset."""

import pathlib
import socket
import sys

import pytest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "tools" / "bench"))

import clients  # noqa: E402  pylint: disable=wrong-import-position
import config  # noqa: E402  pylint: disable=wrong-import-position
import memory_group  # noqa: E402  pylint: disable=wrong-import-position
import programs  # noqa: E402  pylint: disable=wrong-import-position
import rig as rig_module  # noqa: E402  pylint: disable=wrong-import-position
import stalled_origin  # noqa: E402  pylint: disable=wrong-import-position
from rig import MIB  # noqa: E402  pylint: disable=wrong-import-position

HEAP = "envoy.resource_monitors.fixed_heap"
STOP = "envoy.overload_actions.stop_accepting_requests"
UPLOADS = 200  # 32 KiB each, and as much on the upstream side


@pytest.fixture
def rig(tmp_path, is_envoy):
    if is_envoy:
        pytest.skip("the marks are the proxy's own")
    made = rig_module.Rig(tmp_path)
    if made.is_sanitized:
        pytest.skip("a sanitizer's heap says nothing about the proxy's")
    yield made
    made.close()


def watched(stalled, working):
    bootstrap = stalled_origin.bootstrap(stalled, working)
    bootstrap["overload_manager"] = {
        "refresh_interval": "0.1s",
        "resource_monitors": [{"name": HEAP, "typed_config": {
            "@type": config.TYPE + "envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig",
            "max_heap_size_bytes": 16 * MIB}}],
        "actions": [{"name": STOP, "triggers": [{"name": HEAP, "threshold": {"value": 0.5}}]}]}
    return bootstrap


def is_active(proxy):
    return proxy.stat(f"overload.{STOP}.active") == 1


def test_requests_are_refused_while_memory_is_short(rig):
    stalled, working = rig.origin("--stalled"), rig.origin()
    proxy = rig.proxy(watched(stalled.port, working.port))
    port = proxy.port()
    assert clients.Http1(port).get("/").status == 200
    assert not is_active(proxy)
    uploads = [stalled_origin.Upload(port, 10 * MIB) for _ in range(UPLOADS)]
    # Those that came in time fill the heap; whoever comes later is refused.
    programs.wait_until(lambda: proxy.stat("cluster.stalled.upstream_rq_active") == UPLOADS,
                        lambda: proxy.stat("cluster.stalled.upstream_rq_active"))
    stalled_origin.push_until_stalled(uploads, 0.5)
    programs.wait_until(lambda: is_active(proxy), "the heap is not full")
    refused = clients.Http1(port).get("/")
    assert (refused.status, refused.body) == (503, b"envoy overloaded")
    for upload in uploads:
        upload.abort()
    programs.wait_until(lambda: not is_active(proxy), "the heap stays full", 30)
    assert clients.Http1(port).get("/").status == 200
    proxy.check_alive()


GROUP_LIMIT = 32 * MIB
CLIENTS = 1000
MANY = 9000  # connections
RESETS = "envoy.overload_actions.reset_high_memory_stream.count"


@pytest.fixture
def small_group(rig, tmp_path):
    """The rig's proxies run in a group that a burst of 32 KiB for each of CLIENTS overfills twice."""
    group = memory_group.MemoryGroup(GROUP_LIMIT)
    rig.binary = str(group.wrapper(rig.binary, tmp_path / "sallyport"))
    yield group
    rig.runner.stop_all()
    programs.wait_until(group.is_empty, "the group is empty")
    group.close()


def sum_rejected(proxy):
    lines = proxy.get_admin("/stats?filter=downstream_cx_overload_reject")[1].splitlines()
    return sum(int(line.rpartition(" ")[2]) for line in lines)


def is_served(port):
    try:
        return clients.Http1(port).get("/").status == 200
    except (AssertionError, ConnectionError):
        return False


def check_survival(rig, group, proxy):
    proxy.check_alive()
    assert group.kills() == 0
    assert group.number("memory.max_usage_in_bytes") < GROUP_LIMIT
    assert proxy.stat(RESETS) > 0
    programs.wait_until(lambda: clients.Http1(proxy.port()).get("/").status == 200, "served")


def test_uploads_that_nobody_reads_do_not_overfill_a_small_group(rig, small_group):
    stalled, working = rig.origin("--stalled"), rig.origin()
    proxy = rig.proxy(stalled_origin.bootstrap(stalled.port, working.port))
    uploads = [stalled_origin.Upload(proxy.port(), 10 * MIB) for _ in range(CLIENTS)]
    stalled_origin.push_until_stalled(uploads, 0.5, may_be_reset=True)
    check_survival(rig, small_group, proxy)


def test_connections_do_not_overfill_a_small_group(rig, small_group):
    """Heads that never end: each connection costs some 4 KiB and has no stream that holds anything."""
    working = rig.origin()
    proxy = rig.proxy(stalled_origin.bootstrap(working.port, working.port))
    held, resets = [], 0
    for _ in range(MANY):
        try:
            held.append(programs.connect(proxy.port()))
            held[-1].sendall(b"GET / HTTP/1.1\r\nhost: a\r\nx: ")
        except ConnectionError:
            resets += 1
    proxy.check_alive()
    assert small_group.kills() == 0
    assert small_group.number("memory.max_usage_in_bytes") < GROUP_LIMIT
    programs.wait_until(lambda: sum_rejected(proxy) > 0, "none was refused")
    for connection in held:
        connection.close()
    programs.wait_until(lambda: is_served(proxy.port()), "served", 30)


def test_downloads_that_nobody_reads_do_not_overfill_a_small_group(rig, small_group):
    stalled, working = rig.origin("--stalled"), rig.origin()
    proxy = rig.proxy(stalled_origin.bootstrap(stalled.port, working.port))
    readers = [programs.connect(proxy.port()) for _ in range(CLIENTS)]
    for reader in readers:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.sendall(b"GET /big/%d HTTP/1.1\r\nhost: a\r\n\r\n" % (10 * MIB))
    programs.wait_until(lambda: proxy.stat(RESETS) > 0, "no stream was reset")
    check_survival(rig, small_group, proxy)
