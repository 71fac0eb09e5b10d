# SPDX-License-Identifier: Apache-2.0
"""Security tests: see testdata/security/README.md for the cases. The black-box tests' programs and
configurations are used; a proxy serves all cases of a file and must end in order after them."""

import pathlib
import signal
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "blackbox"))

import certs as certs_module  # noqa: E402  pylint: disable=wrong-import-position
import programs  # noqa: E402  pylint: disable=wrong-import-position
import recorder  # noqa: E402  pylint: disable=wrong-import-position

COMPLAINTS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:",
              "ThreadSanitizer", "CHECK failed", "assertion")


@pytest.fixture(scope="module")
def certs(tmp_path_factory):
    return certs_module.make(tmp_path_factory.mktemp("certs"))


@pytest.fixture(scope="module")
def origin():
    """A recorder as the origin of all cases."""
    started = recorder.Recorder()
    yield started
    started.close()


@pytest.fixture(scope="module")
def start_proxy(tmp_path_factory):
    """start_proxy(bootstrap, *options): one worker, so that the order of events is one."""
    runner = programs.Runner(tmp_path_factory.mktemp("proxy"))
    started = []

    def start(bootstrap, *options):
        proxy = runner.proxy(programs.proxy_binary(), bootstrap, "--concurrency", "1", *options)
        started.append(proxy)
        return proxy

    yield start
    try:
        for proxy in started:
            end_in_order(proxy)
    finally:
        runner.stop_all()


def end_in_order(proxy):
    """SIGTERM, exit 0, and no sanitizer has anything to say (leaks are looked for at exit)."""
    proxy.check_alive()
    proxy.signal(signal.SIGTERM)
    assert proxy.wait(60) == 0, proxy.describe()
    said = [line for line in proxy.log.splitlines() if any(word in line for word in COMPLAINTS)]
    assert not said, said[:5]
