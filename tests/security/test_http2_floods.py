# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 floods: the connection ends soon after its budget, at a bounded cost, and others are served.

A flood goes on far beyond the budget as fast as it is taken, so that a proxy without a budget is seen
to be one. Times have room for a loaded machine: what they catch is a cost that grows with the flood.
"""

import itertools
import json
import os
import select
import time

import pytest
import yaml

import config
import floods
import http2
import process
import programs
import strict_http1
import upstreams
import wire

CASES = yaml.safe_load((programs.ROOT / "testdata/security/http2_floods.yaml").read_text())
NUMBERS = itertools.count()
FACTOR = 5 if process.IS_SLOW else 1
MOST_STEPS = 20000
BATCH = 50
END_SECONDS = 1 * FACTOR
ENDED = select.POLLRDHUP | select.POLLHUP | select.POLLERR


class Proxied:
    def __init__(self, proxy):
        self.proxy, self.port, self.pid = proxy, proxy.port(), proxy.process.pid
        self.is_sanitized = process.is_sanitized(programs.proxy_binary())


@pytest.fixture(scope="module")
def proxied(start_proxy, origin):
    result = Proxied(start_proxy(config.simple(origin.port)))
    with process.Serving(result.port) as serving:
        for name in ("ping", "rapid_reset"):  # memory and code that the first use needs
            flood(result.port, getattr(floods, name), True)
    assert not serving.errors
    origin.collect()
    return result


def has_ended(client, poller, reads):
    """Without reading where the flood does not: the end is seen, not what was said."""
    events = dict(poller.poll(0)).get(client.socket.fileno(), 0)
    if reads:
        while not client.is_ended and client.is_readable():
            client.feed()
        return client.is_ended or any(f.kind == http2.GOAWAY for f in client.frames)
    return bool(events & ENDED) or client.is_ended


def push(client, data, poller, reads):
    """Sends as far as it is taken; False once the connection has ended."""
    view, deadline = memoryview(data), time.monotonic() + wire.TIMEOUT
    while view:
        if has_ended(client, poller, reads):
            return False
        try:
            view = view[client.socket.send(view):]
        except BlockingIOError:
            poller.poll(100)
            assert time.monotonic() < deadline, "neither taken nor ended"
        except OSError:
            return False
    return True


def flooding(port, reads):
    client = http2.Client(port).handshake()
    client.socket.setblocking(False)
    poller = select.poll()
    poller.register(client.socket, select.POLLRDHUP | (select.POLLIN if reads else 0))
    return client, poller


def spend(port, step, budget, reads):
    """Sends what the budget allows and no more; the seconds to the end, None: it never came."""
    client, poller = flooding(port, reads)
    with client:
        push(client, b"".join(map(step, range(budget))), poller, reads)
        start = time.monotonic()
        while not has_ended(client, poller, reads):
            if time.monotonic() > start + END_SECONDS:
                return None
            poller.poll(10)
        return time.monotonic() - start


def flood(port, step, reads):
    """Goes on as long as it is let; the steps sent."""
    client, poller = flooding(port, reads)
    with client:
        for sent in range(0, MOST_STEPS, BATCH):
            if not push(client, b"".join(map(step, range(sent, sent + BATCH))), poller, reads):
                return sent + BATCH
        return MOST_STEPS


def record(name, **values):
    path = os.environ.get("SECURITY_REPORT")
    if path:
        with open(path, "a", encoding="ascii") as file:
            file.write(json.dumps({"flood": name, **values}) + "\n")


def http2_stats(proxied):
    lines = proxied.proxy.get_admin("/stats?filter=^http2\\.")[1].splitlines()
    return {name[len("http2."):]: int(value) for name, value in (
        line.split(": ") for line in lines if ": " in line)}


def hostile_requests(proxied, origin):
    """How many of the flood's requests reached the origin."""
    requests, violations, _ = wire.reaches_origin(proxied.port, origin, next(NUMBERS))
    assert not violations
    return sum(1 for request in requests if request.target != b"/serving")


@pytest.mark.parametrize(
    "case", CASES, ids=[case["name"] + ("" if case.get("reads", True) else "-unread")
                        for case in CASES])
def test_flood(proxied, origin, case):
    origin.collect()
    step, reads = getattr(floods, case["name"]), case.get("reads", True)
    before = http2_stats(proxied)
    with process.Serving(proxied.port) as serving:
        peak = process.Peak(proxied.pid)
        peak.start()
        seconds = spend(proxied.port, step, case["steps"], reads)
        few = hostile_requests(proxied, origin)
        cpu = process.cpu_seconds(proxied.pid)
        sent = flood(proxied.port, step, reads)
        many = hostile_requests(proxied, origin)
        cpu, memory = process.cpu_seconds(proxied.pid) - cpu, peak.kib()
    record(case["name"], row=case["row"], reads=reads, sent=sent, seconds=seconds, cpu=cpu,
           memory_kib=memory, requests=[few, many], p99=serving.p99())
    proxied.proxy.check_alive()
    assert not serving.errors
    assert seconds is not None, f"not ended after {case['steps']} steps"
    after, stat = http2_stats(proxied), case.get("stat", "goaway_sent")
    assert after[stat] > before[stat], {
        name: value - before[name] for name, value in after.items() if value != before[name]}
    assert few <= case["requests"] and many <= case["requests"]
    assert cpu <= 0.05 * FACTOR * (1 + sent / 10000), f"{cpu} s of CPU for {sent} steps"
    assert serving.p99() <= 0.25 * FACTOR
    if not proxied.is_sanitized:
        assert memory <= 1024, f"{memory} KiB"


def test_there_are_enough_floods():
    assert len(CASES) >= 24


def serve_large(sock):
    """1 MiB to whoever asks, as fast as it is taken."""
    with sock:
        data = b""
        while True:
            try:
                more = sock.recv(65536)
                data += more
                if not more:
                    return
                strict_http1.take_request(data)
                data = b""
                sock.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1048576\r\n\r\n" +
                             bytes(1048576))
            except strict_http1.Incomplete:
                continue
            except OSError:
                return


IDLE_SECONDS = 1.0


@pytest.fixture(scope="module")
def large(start_proxy):
    server = upstreams.RawServer(serve_large)
    host = config.virtual_host(config.to("up", prefix="/idle", idle_timeout=f"{IDLE_SECONDS}s"),
                               config.to("up", timeout="0s"))
    yield Proxied(start_proxy(config.static(
        [config.listener(config.manager(host))], [config.cluster("up", server.port)])))
    server.close()


def open_slowly(client, count, path):
    block = http2.block(http2.request(path=path))
    client.send(b"".join(
        http2.frame(http2.HEADERS, http2.END_HEADERS | http2.END_STREAM, 2 * number + 1, block)
        for number in range(count)))
    for number in range(count):
        assert client.wait(lambda f, stream=2 * number + 1: f.stream == stream and
                           f.kind == http2.HEADERS), number


def test_slow_reader_is_bounded(large):
    """100 objects of 1 MiB into windows of 1 byte: what is held is the buffers' worth, not more."""
    before = process.anonymous_kib(large.pid)
    with http2.Client(large.port, settings=b"\0\x04\0\0\0\1").handshake() as client:
        open_slowly(client, 100, b"/")
        for number in range(100):
            assert client.wait(lambda f, stream=2 * number + 1: f.stream == stream and
                               f.kind == http2.DATA), number
        assert sum(len(f.payload) for f in client.frames if f.kind == http2.DATA) <= 100
        grown = process.anonymous_kib(large.pid) - before
        record("slow_reader", row=6, memory_kib=grown)
        if not large.is_sanitized:  # chunks are not full, and each stream has a connection
            assert grown <= 100 * (64 + 32) + 1024, f"{grown} KiB"
    large.proxy.check_alive()
    programs.wait_until(lambda: large.proxy.stat("cluster.up.upstream_rq_active") == 0, "idle")


def test_unread_stream_ends_at_its_idle_timeout(large):
    with http2.Client(large.port, settings=b"\0\x04\0\0\0\0").handshake() as client:
        start = time.monotonic()
        open_slowly(client, 1, b"/idle")
        assert client.wait(lambda f: f.kind in (http2.RST_STREAM, http2.GOAWAY))
        seconds = time.monotonic() - start
        record("idle", row=6, seconds=seconds)
        assert 0.9 * IDLE_SECONDS <= seconds <= 1.1 * IDLE_SECONDS * FACTOR
