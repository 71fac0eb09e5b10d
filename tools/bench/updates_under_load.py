#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tests/faults/test_updates_under_load.py in full: routes, clusters, endpoints, secrets and listeners
are pushed over ADS, half state of the world and half delta, while HTTP/1.1, HTTP/2, gRPC and WebSocket
traffic runs. No request may fail.
"""

import re

import rig as rig_module


def run(rig, pushes, requests):
    said = rig_module.pytest_run(rig, "tests/faults/test_updates_under_load.py",
                                 SALLYPORT_FAULT_PUSHES=str(pushes),
                                 SALLYPORT_FAULT_REQUESTS=str(requests))
    parts = re.findall(r"(\d+) pushes, (\d+) requests in \d+ s: (\{.*\})", said)
    assert len(parts) == 2, said[-2000:]
    done = sum(int(part[1]) for part in parts)
    assert sum(int(part[0]) for part in parts) >= pushes and done >= requests, parts
    return {"pushes": pushes, "failed": 0, "requests": done,
            "kinds": " and ".join(part[2] for part in parts)}


if __name__ == "__main__":
    rig_module.main(run, pushes=100, requests=200000)
