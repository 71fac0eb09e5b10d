#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A very large download and upload through each pair of protocols; what reads them is slow. The proxy's
resident memory may not grow by 4 MiB: what it cannot hand on it must not take.
"""

import sys

import bulk_peer
import rig as rig_module
from rig import MIB

import config

PAIRS = ("http1-http1", "http1-http2", "http2-http1", "http2-http2", "http1s-http1s",
         "http2s-http2s")
GROWTH = 4 * MIB
# Envoy's own windows are 16 MiB and more, which is what a proxy must then be ready to hold for one stream.
EDGE_WINDOWS = {"initial_stream_window_size": 65536, "initial_connection_window_size": MIB}


def start(rig, pair):
    """The proxy with an origin behind it, and a connected client."""
    front, back = pair.split("-")
    is_tls = back.endswith("s")
    back, files = back.rstrip("s"), [rig.certs.cert("edge"), rig.certs.key("edge")]
    origin = rig.runner.start([sys.executable, bulk_peer.__file__, back, *(files if is_tls else [])])
    origin.wait_for_log("\n")
    upstream = {"common_tls_context": {"validation_context": {
        "trusted_ca": {"filename": rig.certs.ca}}}}
    downstream = {"common_tls_context": {"alpn_protocols": ["h2", "http/1.1"],
                                         "tls_certificates": [config.files(*files)]}}
    cluster = config.cluster("up", int(origin.log), kind=back, tls=upstream if is_tls else None)
    if back == "http2":
        protocol, = cluster["typed_extension_protocol_options"].values()
        protocol["explicit_http_config"]["http2_protocol_options"] = EDGE_WINDOWS
    proxy = rig.proxy(config.static(
        [config.listener(config.manager(config.virtual_host(config.to("up", timeout="0s")),
                                        http2_protocol_options=EDGE_WINDOWS),
                         tls=downstream if front.endswith("s") else None)], [cluster]))
    client = bulk_peer.connect(front.rstrip("s"), proxy.port(),
                               rig.certs.ca if front.endswith("s") else None)
    return proxy, client, origin


def run(rig, mebibytes, pairs=",".join(PAIRS)):
    figures = {}
    for pair in pairs.split(","):
        for direction in ("download", "upload"):
            proxy, client, origin = start(rig, pair)
            transfer = getattr(client, direction)
            transfer(MIB)
            memory, clock = rig_module.PeakMemory(proxy), rig_module.Clock()
            transfer(mebibytes * MIB, *([3] if "http2" in pair.split("-")[0] else []))
            growth, seconds = memory.growth(), clock.seconds()
            figures[f"{pair} {direction}"] = (
                f"{growth // 1024} KiB at {mebibytes / seconds:.0f} MiB/s")
            assert rig.is_sanitized or growth < GROWTH, f"{figures}"
            client.connection.close()
            proxy.stop()
            origin.stop()
    return {"MiB each": mebibytes, **figures}


if __name__ == "__main__":
    rig_module.main(run, mebibytes=10240, pairs=",".join(PAIRS))
