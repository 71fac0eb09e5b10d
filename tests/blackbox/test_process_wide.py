# SPDX-License-Identifier: Apache-2.0
"""What is process-wide in Envoy holds over four workers: breakers, least request, limits."""

import collections
import concurrent.futures
import http.client
import threading

import config
import programs

WORKERS = ("--concurrency", "4")


def get(port, path="/", timeout=30):
    """One request on a connection of its own, so that any worker may have it."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.getheader("x-upstream"), response.read()
    finally:
        connection.close()


def front(proxy, *ports, **more):
    return proxy(config.static(
        [config.listener(config.manager(config.virtual_host(config.to("up", timeout="0s"))))],
        [config.cluster("up", *ports, **more)]), *WORKERS)


def breaker(**limits):
    return {"circuit_breakers": {"thresholds": [limits]}}


def test_max_requests_one_gives_one_200_of_sixteen(proxy, echo):
    upstream = echo()
    started = front(proxy, upstream.port, **breaker(max_requests=1))
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        calls = [pool.submit(get, started.port(), "/do/hold/x") for _ in range(16)]
        programs.wait_until(lambda: sum(call.done() for call in calls) == 15, "15 refusals")
        upstream.release()
        statuses = collections.Counter(call.result()[0] for call in calls)
    assert statuses == {200: 1, 503: 15}
    assert get(started.port())[0] == 200


def test_max_connections_is_of_the_process(proxy, echo):
    upstream = echo()
    started = front(proxy, upstream.port, **breaker(max_connections=2, max_pending_requests=100))
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        calls = [pool.submit(get, started.port(), "/do/hold/x") for _ in range(12)]
        # Envoy lets each worker have one connection whatever the limit, so that no pool starves.
        programs.wait_until(lambda: upstream.held >= 2, "two held")
        programs.wait_until(
            lambda: started.stat("http.ingress.downstream_rq_active") == 12, "12 requests in")
        assert started.stat("cluster.up.upstream_cx_active") <= 5
        upstream.release()
        assert all(call.result()[0] == 200 for call in calls)


def test_least_request_sees_other_workers_requests(proxy, echo):
    """One host holds 24 requests, the other answers: new requests go to the free one."""
    slow, quick = echo("slow"), echo("quick")
    started = front(proxy, slow.port, quick.port, lb_policy="LEAST_REQUEST",
                    least_request_lb_config={"choice_count": 10})
    port = started.port()
    held = []

    def hold():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", "/do/hold/x")
        held.append(connection)

    for number in range(24):
        hold()
        programs.wait_until(lambda want=number + 1: slow.held + quick.held == want, "one more")
    assert abs(slow.held - quick.held) <= 4  # active counts were seen across workers
    loaded_only = quick
    loaded_only.release()
    programs.wait_until(lambda: started.stat("cluster.up.upstream_rq_active") == slow.held,
                        "the quick host is free")
    names = collections.Counter(get(port)[1] for _ in range(60))
    assert names["slow"] <= 2, names
    slow.release()
    for connection in held:
        assert connection.getresponse().status == 200
        connection.close()


def test_downstream_connection_limit_is_of_the_process(proxy, echo):
    listener = config.listener(config.manager(config.virtual_host(config.to("up"))))
    started = proxy(config.static([listener], [config.cluster("up", echo().port)], overload_manager={
        "resource_monitors": [{
            "name": "envoy.resource_monitors.global_downstream_max_connections",
            "typed_config": {
                "@type": config.TYPE + "envoy.extensions.resource_monitors.downstream_connections."
                                       "v3.DownstreamConnectionsConfig",
                "max_active_downstream_connections": 8}}]}), *WORKERS)
    port = started.port()
    connections = [programs.connect(port) for _ in range(8)]
    for connection in connections:
        connection.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
    extra = programs.connect(port)
    extra.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    try:
        assert extra.recv(4096) == b""
    except ConnectionResetError:
        pass
    for connection in connections:
        connection.close()
    programs.wait_until(lambda: started.stat("http.ingress.downstream_cx_active") == 0, "closed")
    assert get(port)[0] == 200


def test_counters_add_up_over_workers(proxy, echo):
    started = front(proxy, echo().port)
    barrier = threading.Barrier(8)

    def work():
        barrier.wait(20)
        return [get(started.port())[0] for _ in range(25)]

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        results = [status for call in [pool.submit(work) for _ in range(8)]
                   for status in call.result()]
    assert results == [200] * 200
    assert started.stat("http.ingress.downstream_rq_2xx") == 200
    assert started.stat("cluster.up.upstream_rq_200") == 200
