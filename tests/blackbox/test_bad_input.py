# SPDX-License-Identifier: Apache-2.0
"""Configurations that cannot be: exit status 1, the field's path, what was expected."""

import json
import subprocess

import pytest

import config
import programs


def attempt(proxy_bin, tmp_path, text, *options, name="bootstrap.yaml"):
    path = tmp_path / name
    path.write_text(text if isinstance(text, str) else json.dumps(text))
    return subprocess.run([proxy_bin, "-c", path, "--disable-hot-restart", *options],
                          capture_output=True, text=True, timeout=60, check=False)


def manager_listener(**more):
    return config.listener(config.manager(config.virtual_host(config.to("up"))), **more)


@pytest.mark.parametrize("text,reasons", [
    ("static_resources:\n  listeners:\n  - nmae: x\n", ["nmae"]),
    ("static_resources: [\n", []),
    ("static_resources:\n  clusters:\n  - name: c\n    connect_timeout: soon\n",
     ["connect_timeout"]),
    ("static_resources:\n  clusters:\n  - {name: c, type: STATTIC}\n", ["STATTIC"]),
    ("static_resources:\n  clusters:\n  - {type: STATIC}\n", ["name", "Name"]),
    (config.static([manager_listener()]), ["up"]),
    ("just text\n", []),
])
@pytest.mark.parametrize("options", [[], ["--mode", "validate"]])
def test_malformed_bootstrap_is_exit_1_with_the_field(proxy_bin, tmp_path, text, reasons, options):
    result = attempt(proxy_bin, tmp_path, text, *options)
    said = result.stdout + result.stderr
    assert result.returncode == 1, said
    assert not reasons or any(reason in said for reason in reasons), said
    assert said.strip()


def test_field_path_is_whole(proxy_bin, tmp_path, is_envoy):
    if is_envoy:
        pytest.skip("Envoy names the innermost message only")
    bootstrap = config.static([manager_listener()], [config.cluster("up", 1)])
    bootstrap["static_resources"]["clusters"][0]["load_assignment"]["endpoints"][0][
        "lb_endpoints"][0]["endpoint"]["adress"] = {}
    result = attempt(proxy_bin, tmp_path, bootstrap)
    path = "static_resources.clusters[0].load_assignment.endpoints[0].lb_endpoints[0].endpoint"
    assert result.returncode == 1 and path in result.stderr and "adress" in result.stderr


def test_manager_without_router_is_refused(proxy_bin, tmp_path, is_envoy):
    if is_envoy:
        pytest.skip("Envoy takes an empty list of filters")
    result = attempt(proxy_bin, tmp_path, config.static(
        [config.listener(config.manager(config.virtual_host(config.to("up")), http_filters=[]))],
        [config.cluster("up", 1)]))
    assert result.returncode == 1 and "http_filters" in result.stderr


def test_missing_file_and_missing_option_value(proxy_bin, tmp_path):
    result = subprocess.run([proxy_bin, "-c", tmp_path / "none.yaml"], capture_output=True,
                            text=True, timeout=60, check=False)
    assert result.returncode == 1 and "none.yaml" in result.stdout + result.stderr
    result = subprocess.run([proxy_bin, "--no-such-option"], capture_output=True, text=True,
                            timeout=60, check=False)
    assert result.returncode == 1 and "no-such-option" in result.stdout + result.stderr


def test_port_in_use(proxy_bin, echo, tmp_path):
    upstream = echo()
    result = attempt(proxy_bin, tmp_path, config.static(
        [manager_listener(port=upstream.port)], [config.cluster("up", 1)]), name="b.json")
    said = result.stdout + result.stderr
    assert result.returncode == 1
    assert "Address already in use" in said and str(upstream.port) in said, said


@pytest.mark.parametrize("pair,reasons", [
    (("edge", "sidecar"), ["match", "MISMATCH"]), (("edge", "none"), ["none.key"])])
def test_certificates_that_cannot_be_used(proxy_bin, tmp_path, certs, pair, reasons):
    tls = {"common_tls_context": {"tls_certificates": [
        config.files(certs.cert(pair[0]), certs.key(pair[1]))]}}
    result = attempt(proxy_bin, tmp_path, config.static(
        [manager_listener(tls=tls)], [config.cluster("up", 1)]), name="b.json")
    said = result.stdout + result.stderr
    assert result.returncode == 1 and any(reason in said for reason in reasons), said


def test_good_bootstrap_validates(proxy_bin, tmp_path):
    result = attempt(proxy_bin, tmp_path, config.static(
        [manager_listener()], [config.cluster("up", 1)]), "--mode", "validate", name="b.json")
    assert result.returncode == 0, result.stderr


def test_config_yaml_is_merged_over_the_file(proxy, echo, curl):
    started = proxy(config.static([manager_listener()], [config.cluster("up", echo().port)]),
                    "--config-yaml", "node: {id: from-yaml, cluster: c}")
    assert '"from-yaml"' in started.get_admin("/server_info")[1]
    assert curl(f"http://127.0.0.1:{started.port()}/").status == 200


def test_bootstrap_from_a_fifo(run, proxy_bin, echo, tmp_path, curl):
    """Consul passes one: one sequential read, no seek, no second open."""
    import os  # pylint: disable=import-outside-toplevel
    fifo, admin = tmp_path / "bootstrap", tmp_path / "admin"
    os.mkfifo(fifo)
    bootstrap = config.static([manager_listener()], [config.cluster("up", echo().port)], admin={
        "address": config.address(0)})
    started = run.start([proxy_bin, "-c", fifo, "--admin-address-path", admin,
                         "--disable-hot-restart", "--concurrency", "1"], kind=programs.Proxy)
    fifo.write_text(json.dumps(bootstrap))
    programs.wait_until(lambda: admin.exists() and admin.read_text(), started.describe)
    host, _, port = admin.read_text().rpartition(":")
    started.admin = (host, int(port))
    programs.wait_until(started.is_live, started.describe)
    assert curl(f"http://127.0.0.1:{started.port()}/").status == 200
