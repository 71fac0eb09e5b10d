#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""More connections than there are file descriptors: while none is left the proxy must rest, answer its
administrator and serve those that are in; once some end, those that wait are served at once.
"""

import select
import time

import rig as rig_module

import config
import process
import programs
import wire

REQUEST = b"GET / HTTP/1.1\r\nhost: storm\r\n\r\n"


def run(rig, descriptors, seconds, rounds):
    origin = rig.origin()
    bootstrap = config.simple(origin.port)
    bootstrap["static_resources"]["listeners"][0]["stat_prefix"] = "main"
    proxy = rig.proxy(bootstrap, descriptors=descriptors)
    port, worst_recovery, worst_cpu, worst_admin = proxy.port(), 0, 0, 0
    for number in range(rounds):
        overflows = proxy.stat("listener.main.downstream_cx_overflow")
        inside = [wire.connect(port) for _ in range(4)]
        for sock in inside:
            sock.sendall(REQUEST)
            assert wire.Reader(sock).answer()[0] == 200
        storm = [wire.connect(port) for _ in range(2 * descriptors)]  # the backlog takes the rest
        programs.wait_until(
            lambda least=overflows: proxy.stat("listener.main.downstream_cx_overflow") > least,
            "an overflow is counted")
        used = process.cpu_seconds(proxy.process.pid)
        clock = rig_module.Clock()
        select.select([], [], [], seconds)  # the measured time itself
        used = (process.cpu_seconds(proxy.process.pid) - used) / clock.seconds()
        worst_cpu = max(worst_cpu, used)
        clock = rig_module.Clock()
        assert proxy.get_admin("/ready")[0] == 200
        worst_admin = max(worst_admin, clock.seconds())
        for sock in inside:  # they are in, and a request of theirs needs a descriptor upstream
            sock.sendall(REQUEST)
            assert wire.Reader(sock).answer()[0] == 200, f"round {number}"
        for sock in storm:
            sock.close()
        began = time.monotonic()
        assert wire.ask(port, b"/after")[0] == 200
        worst_recovery = max(worst_recovery, time.monotonic() - began)
        for sock in inside:
            sock.close()
    assert rig.is_sanitized or worst_cpu <= 0.01, f"{worst_cpu:.3f} of a core while exhausted"
    assert worst_recovery <= (1 if rig.is_sanitized else 0.2), f"{worst_recovery:.3f} s to recover"
    return {"CPU while exhausted": f"{worst_cpu * 100:.2f} % of a core",
            "recovery": f"{worst_recovery * 1000:.0f} ms", "admin": f"{worst_admin * 1000:.0f} ms",
            "overflows": proxy.stat("listener.main.downstream_cx_overflow")}


if __name__ == "__main__":
    rig_module.main(run, descriptors=256, seconds=3.0, rounds=5)
