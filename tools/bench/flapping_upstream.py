#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One of three endpoints is killed and comes back each second while HTTP/1.1 and HTTP/2 load runs.
Retries and outlier detection are configured: no request may fail.
"""

import threading

import rig as rig_module

import config
import programs
import traffic


def bootstrap(ports):
    retries = {"retry_on": "connect-failure,refused-stream,reset", "num_retries": 3,
               "retry_host_predicate": [{
                   "name": "envoy.retry_host_predicates.previous_hosts", "typed_config": {
                       "@type": config.TYPE + "envoy.extensions.retry.host.previous_hosts.v3."
                                              "PreviousHostsPredicate"}}],
               "host_selection_retry_max_attempts": "5",
               "retry_back_off": {"base_interval": "0.005s"}}
    many = {"thresholds": [{"max_retries": 1000}]}
    outlier = {"consecutive_5xx": 5, "interval": "0.5s", "base_ejection_time": "0.5s",
               "max_ejection_percent": 50}
    return config.static(
        [config.listener(config.manager(config.virtual_host(
            config.to("up", retry_policy=retries))))],
        [config.cluster("up", *ports, circuit_breakers=many, outlier_detection=outlier)])


def run(rig, flaps, seconds):
    steady = [rig.origin(), rig.origin()]
    flapping = rig.origin()
    proxy = rig.proxy(bootstrap([*[origin.port for origin in steady], flapping.port]))
    flow = traffic.Traffic(proxy.port())
    flow.start_kinds([(flow.load, "h1", ["--h1", "-c", "8"], "http", flow.port),
                      (flow.load, "h2c", ["-c", "4", "-m", "8"], "http", flow.port),
                      (flow.new_connections,)])
    pause = threading.Event()
    for _ in range(flaps):
        pause.wait(seconds)
        flapping.process.kill()
        flapping.process.wait()
        pause.wait(seconds)
        flapping = rig.origin("--port", str(flapping.port))
        if flow.bad:
            break
    good = flow.stop()
    retries = proxy.stat("cluster.up.upstream_rq_retry")
    assert retries > 0, "the fault was felt"
    programs.wait_until(lambda: proxy.stat("cluster.up.membership_healthy") == 3, "all are back")
    return {"flaps": flaps, "failed": 0, "requests": sum(good.values()), "retries": retries,
            "ejections": proxy.stat("cluster.up.outlier_detection.ejections_enforced_total")}


if __name__ == "__main__":
    rig_module.main(run, flaps=20, seconds=1.0)
