#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Bursts of requests on many connections at once, by HTTP/1.1, HTTP/2 and HTTP/2 over TLS: once they are
closed, the resident memory is back near what it was, within 30 s.
"""

import subprocess
import shutil

import rig as rig_module
from rig import MIB

import config
import programs

KINDS = {"http1": ("--h1", "http", "main"), "http2": (None, "http", "main"),
         "http2-tls": (None, "https", "tls")}
SECONDS, SHARE = 30, 1.1


def bootstrap(rig, port):
    many = {"thresholds": [{"max_connections": 100000, "max_pending_requests": 100000,
                            "max_requests": 100000}]}
    manager = config.manager(config.virtual_host(config.to("up", timeout="0s")))
    tls = {"common_tls_context": {"alpn_protocols": ["h2"], "tls_certificates": [
        config.files(rig.certs.cert("edge"), rig.certs.key("edge"))]}}
    return config.static(
        [config.listener(manager), config.listener(manager, name="tls", tls=tls)],
        [config.cluster("up", port, circuit_breakers=many,  # idle connections would stay for an hour
                        typed_extension_protocol_options=config.http_protocol(
                            "http1", idle_timeout="2s"))])


def burst(proxy, kind, connections, requests):
    option, scheme, listener = KINDS[kind]
    command = ["h2load", "-n", str(connections * requests), "-c", str(connections), "-m", "10",
               *([option] if option else []), f"{scheme}://127.0.0.1:{proxy.port(listener)}/"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert f"{connections * requests} succeeded" in result.stdout, result.stdout + result.stderr


def run(rig, connections, requests, kinds):
    assert shutil.which("h2load"), "h2load is needed"
    origin = rig.origin()
    proxy = rig.proxy(bootstrap(rig, origin.port))
    # What is used for the first time stays: pages of the program, statistics, the thread's heaps.
    for kind in KINDS:
        burst(proxy, kind, 10, 100)
    before, figures = rig_module.resident(proxy), {}
    for kind in KINDS if kinds == "all" else kinds.split(","):
        memory = rig_module.PeakMemory(proxy)
        burst(proxy, kind, connections, requests)
        peak, clock = before + memory.growth(), rig_module.Clock()
        if not rig.is_sanitized:
            programs.wait_until(lambda: rig_module.resident(proxy) <= before * SHARE, lambda: (
                f"{kind}: baseline {before / MIB:.1f} MiB, now "
                f"{rig_module.resident(proxy) / MIB:.1f} MiB"), SECONDS)
        figures[kind] = (f"{before / MIB:.1f} to {peak / MIB:.1f} MiB, back after "
                         f"{clock.seconds():.1f} s")
    return figures


if __name__ == "__main__":
    rig_module.main(run, connections=1000, requests=100, kinds="all")
