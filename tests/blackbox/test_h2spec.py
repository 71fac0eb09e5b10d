# SPDX-License-Identifier: Apache-2.0
"""h2spec through the whole proxy, on h2c and over TLS, plain and strict."""

import re
import subprocess

import pytest

import config
import peers


@pytest.fixture(scope="module")
def h2spec():
    return peers.build("h2spec", "github.com/summerwind/h2spec/cmd/h2spec")


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("tls", [False, True])
def test_h2spec(proxy, echo, is_envoy, certs, h2spec, tls, strict):
    if is_envoy:
        pytest.skip("Envoy does not pass all of it")
    context = {"common_tls_context": {"alpn_protocols": ["h2"], "tls_certificates": [
        config.files(certs.cert("edge"), certs.key("edge"))]}} if tls else None
    # Forwarded, so that a request is open until it has ended; and HTTP/2 without looking, since a
    # broken preface is HTTP/1.1's otherwise.
    manager = config.manager(config.virtual_host(config.to("up", timeout="0s")),
                             codec_type="HTTP2")
    started = proxy(config.static([config.listener(manager, tls=context)],
                                  [config.cluster("up", echo().port)]))
    command = [h2spec, "-h", "127.0.0.1", "-p", str(started.port()), "-o", "5"]
    command += ["-t", "-k"] if tls else []
    command += ["-S"] if strict else []
    result = subprocess.run(command, capture_output=True, text=True, timeout=400, check=False)
    found = re.search(r"(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed", result.stdout)
    assert found, result.stdout + result.stderr
    total, passed, skipped, failed = map(int, found.groups())
    assert failed == 0 and passed + skipped == total and total >= 145, result.stdout[-6000:]
    assert skipped == 0, result.stdout[-3000:]
    assert started.returncode is None
