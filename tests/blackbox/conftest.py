# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the black-box tests: programs with free ports, on loopback, torn down always.

PROXY_BIN      the proxy under test (default: $SALLYPORT_BIN, else $SALLYPORT_BUILD/sallyport); the
               word "envoy" takes the real Envoy of the tests' Python packages, to see that a test
               asks for what Envoy does
XDS_SERVER_BIN the management server (default: $SALLYPORT_BUILD/xds_server)
"""

import os
import shutil

import pytest

import certs as certs_module
import programs
import upstreams


@pytest.fixture(scope="session")
def root():
    return programs.ROOT


@pytest.fixture
def run(tmp_path):
    """Starts programs; ends them all, last first, when the test is over."""
    runner = programs.Runner(tmp_path)
    yield runner
    runner.stop_all()


@pytest.fixture(scope="session")
def proxy_bin():
    return programs.proxy_binary()


@pytest.fixture(scope="session")
def is_envoy(proxy_bin):
    return proxy_bin == programs.envoy_binary()


@pytest.fixture
def proxy(run, proxy_bin):
    """proxy(bootstrap, *options) starts the proxy under test and waits until it is live."""
    return lambda bootstrap, *options, **more: run.proxy(proxy_bin, bootstrap, *options, **more)


@pytest.fixture
def envoy(run):
    """The same with the real Envoy, as a peer."""
    return lambda bootstrap, *options, **more: run.proxy(
        programs.envoy_binary(), bootstrap, *options, **more)


@pytest.fixture
def xds(run, tmp_path):
    """xds(*options) starts the management server over a folder of its own."""
    return lambda *options: run.xds_server(tmp_path / "xds", *options)


@pytest.fixture(scope="session")
def certs(tmp_path_factory):
    return certs_module.make(tmp_path_factory.mktemp("certs"))


@pytest.fixture
def echo():
    """echo(name) starts an HTTP/1.1 server that says what it got; see upstreams.py."""
    started = []

    def start(name="echo", **options):
        server = upstreams.EchoServer(name, **options)
        started.append(server)
        return server

    yield start
    for server in started:
        server.close()


@pytest.fixture
def grpc_echo():
    started = []

    def start(name="grpc", **options):
        server = upstreams.GrpcEchoServer(name, **options)
        started.append(server)
        return server

    yield start
    for server in started:
        server.close()


@pytest.fixture(scope="session")
def curl_bin():
    path = shutil.which("curl")
    if path is None:
        pytest.skip("curl is not installed")
    return path


@pytest.fixture
def curl(curl_bin):
    return programs.Curl(curl_bin)


def pytest_report_header(config):
    del config
    return f"proxy: {programs.proxy_binary()}  cores: {os.cpu_count()}"
