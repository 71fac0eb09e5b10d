# SPDX-License-Identifier: Apache-2.0
"""Bounded load with h2load: nothing fails, nothing is left over."""

import re
import shutil
import subprocess

import pytest

import config
import programs

REQUESTS = 3000


@pytest.mark.parametrize("options", [
    ["--h1", "-c", "20"], ["-c", "10", "-m", "10"], ["-c", "10", "-m", "10", "-d", "BODY"]])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_h2load(proxy, echo, certs, tmp_path, options, scheme):
    h2load = shutil.which("h2load")
    if h2load is None:
        pytest.skip("h2load is not installed")
    tls = {"common_tls_context": {"alpn_protocols": ["h2", "http/1.1"], "tls_certificates": [
        config.files(certs.cert("edge"), certs.key("edge"))]}} if scheme == "https" else None
    started = proxy(config.static(
        [config.listener(config.manager(config.virtual_host(config.to("up"))), tls=tls)],
        [config.cluster("up", echo().port)]))
    body = tmp_path / "body"
    body.write_bytes(b"x" * 20_000)
    options = [str(body) if word == "BODY" else word for word in options]
    result = subprocess.run(
        [h2load, *options, "-n", str(REQUESTS), f"{scheme}://127.0.0.1:{started.port()}/"],
        capture_output=True, text=True, timeout=120, check=True)
    assert re.search(rf"{REQUESTS} succeeded, 0 failed, 0 errored, 0 timeout", result.stdout), \
        result.stdout
    assert re.search(rf"status codes: {REQUESTS} 2xx", result.stdout), result.stdout
    programs.wait_until(lambda: started.stat("http.ingress.downstream_cx_active") == 0,
                        "all connections gone")
    assert started.stat("http.ingress.downstream_rq_2xx") == REQUESTS
    assert started.stat("cluster.up.upstream_rq_active") == 0
