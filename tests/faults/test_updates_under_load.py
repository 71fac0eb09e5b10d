# SPDX-License-Identifier: Apache-2.0
"""Configuration changes of every type while traffic of every kind runs: nothing fails.

The size of the run is taken from the environment: SALLYPORT_FAULT_PUSHES (25 unless given) and
SALLYPORT_FAULT_REQUESTS (20,000).
"""

import os
import socket
import ssl
import time

import pytest

import config
import programs
import traffic

PUSHES = int(os.environ.get("SALLYPORT_FAULT_PUSHES", "25"))
REQUESTS = int(os.environ.get("SALLYPORT_FAULT_REQUESTS",
                              "2000" if os.environ.get("SALLYPORT_SLOW") else "20000"))
KINDS = ("endpoints", "routes", "clusters", "secrets", "listeners")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


class World:
    """Everything the edge has; each kind of change has a number that says how often it was made."""

    def __init__(self, certs, ports, grpc_port):
        self.certs, self.ports, self.grpc_port = certs, ports, grpc_port
        self.main, self.tls, self.extra = free_port(), free_port(), free_port()
        self.made = dict.fromkeys(KINDS, 0)

    def change(self, kind):
        self.made[kind] += 1

    def cluster_name(self):
        """A further cluster takes over: a new name, with the routes to it, each second time."""
        return f"up-{self.made['clusters'] // 2}"

    def resources(self):
        made, name = self.made, self.cluster_name()
        upgrade = [{"upgrade_type": "websocket"}]
        main = config.listener(
            config.manager(rds="main", upgrade_configs=upgrade), port=self.main,
            per_connection_buffer_limit_bytes=1_048_576)
        tls = config.listener(
            config.manager(rds="main", server_name=f"edge-{made['listeners']}"),
            name="tls", port=self.tls, tls={"common_tls_context": {
                "alpn_protocols": ["h2", "http/1.1"],
                "tls_certificate_sds_secret_configs": [
                    {"name": "server", "sds_config": config.ADS}]}})
        extra = config.listener(config.manager(rds="main"), name="extra", port=self.extra)
        listeners = [main, tls] + ([extra] if made["listeners"] % 2 else [])
        pair = "edge" if made["secrets"] % 2 else "edge-two"
        ports = self.ports if made["endpoints"] % 2 else self.ports[:1]
        return [
            *[config.typed(config.LISTENER, item) for item in listeners],
            config.typed(config.ROUTES, config.routes("main", config.virtual_host(
                config.to("grpc", prefix="/test.", timeout="0s"),
                *[config.to(name, prefix=f"/unused-{number}")
                  for number in range(made["routes"] % 7)],
                config.to(name, timeout="0s")))),
            config.typed(config.CLUSTER, config.eds_cluster(
                name, connect_timeout=f"{3 + made['clusters'] % 2}s")),
            config.typed(config.ENDPOINTS, config.assignment(name, *ports)),
            config.typed(config.CLUSTER, config.eds_cluster("grpc", kind="http2")),
            config.typed(config.ENDPOINTS, config.assignment("grpc", self.grpc_port)),
            config.typed(config.SECRET, {"name": "server", "tls_certificate": config.inline(
                self.certs.cert(pair), self.certs.key(pair))}),
        ]


def served(certs, port):
    context = ssl.create_default_context(cafile=certs.ca)
    with programs.connect(port) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as connection:
            return dict(item[0] for item in connection.getpeercert()["subject"])["commonName"]


@pytest.mark.parametrize("is_delta", [False, True], ids=["sotw", "delta"])
def test_no_request_fails(xds, proxy, certs, grpc_echo, is_delta):
    one, two = traffic.FastServer(), traffic.FastServer()
    world = World(certs, [one.port, two.port], grpc_echo().port)
    server = xds()
    server.write("all.json", world.resources())
    started = proxy(config.with_ads(server.port, is_delta), "--drain-time-s", "2")
    started.port("main"), started.port("tls")  # pylint: disable=expression-not-assigned
    flow = traffic.Traffic(world.main, world.tls, certs.ca)
    flow.start()
    programs.wait_until(lambda: flow.total() > 500 or flow.bad, "traffic flows")
    pushes, share = (PUSHES + 1) // 2, REQUESTS // 2  # each variant is half of the whole
    began = time.monotonic()
    for number in range(pushes):
        kind = KINDS[number % len(KINDS)]
        world.change(kind)
        length, total = len(server.log), flow.total()
        server.write("all.json", world.resources())
        server.wait_for_log("ACK", after=length)
        wanted = total + share // pushes
        programs.wait_until(lambda: flow.total() >= wanted or flow.bad, lambda: (
            f"traffic after push {number} ({kind}): {flow.total()}"), 60)
        if flow.bad:
            break
    good = flow.stop()
    assert "NACK" not in server.log
    assert served(certs, world.tls) == ("edge" if world.made["secrets"] % 2 else "edge-two")
    names = started.get_admin("/clusters?format=json")[1]
    assert f'"{world.cluster_name()}"' in names
    assert two.requests > 0, "endpoints were added"
    assert sum(good.values()) >= share
    print(f"{pushes} pushes, {sum(good.values())} requests in {time.monotonic() - began:.0f} s: "
          f"{good}")
    one.close()
    two.close()
