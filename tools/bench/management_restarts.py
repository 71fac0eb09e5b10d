#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The management server is killed and started again while traffic of every kind runs; each one that
comes has news, which must arrive. No request may fail.
"""

import rig as rig_module

import config
import programs
import test_updates_under_load
import traffic
import upstreams


def restart(rig, server, world, number):
    """Kills it at any time; the next has another certificate, further routes and endpoints."""
    server.process.kill()
    server.process.wait()
    for kind in ("routes", "endpoints", "secrets"):
        world.change(kind)
    address = server.address
    server.write("all.json", world.resources())
    server = rig.runner.xds_server(server.folder, "--listen", address)
    programs.wait_until(lambda: test_updates_under_load.served(rig.certs, world.tls) == (
        "edge" if world.made["secrets"] % 2 else "edge-two"), f"the news of start {number}", 60)
    return server


def run(rig, restarts, requests):
    origins = [traffic.FastServer(), traffic.FastServer()]
    grpc_echo = upstreams.GrpcEchoServer("grpc")
    world = test_updates_under_load.World(
        rig.certs, [origin.port for origin in origins], grpc_echo.port)
    server = rig.runner.xds_server(rig.folder / "xds")
    server.write("all.json", world.resources())
    proxy = rig.proxy(config.with_ads(server.port))
    proxy.port("main"), proxy.port("tls")  # pylint: disable=expression-not-assigned
    flow = traffic.Traffic(world.main, world.tls, rig.certs.ca)
    flow.start()
    for number in range(restarts):
        wanted = flow.total() + requests // restarts
        programs.wait_until(lambda least=wanted: flow.total() >= least or flow.bad, "traffic", 120)
        if flow.bad:
            break
        server = restart(rig, server, world, number)
    good = flow.stop()
    for origin in origins:
        origin.close()
    grpc_echo.close()
    assert sum(good.values()) >= requests, good
    return {"restarts": restarts, "failed": 0, "requests": sum(good.values()), "kinds": good}


if __name__ == "__main__":
    rig_module.main(run, restarts=20, requests=40000)
