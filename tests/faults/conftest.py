# SPDX-License-Identifier: Apache-2.0
"""Fault tests: the fixtures of the black-box tests, and proxies that serve a whole file of tests.

SALLYPORT_FAULT_PUSHES, SALLYPORT_FAULT_REQUESTS  the size of the run in test_updates_under_load.py
"""

import importlib.util
import pathlib
import sys

import pytest

BLACKBOX = pathlib.Path(__file__).resolve().parents[1] / "blackbox"
sys.path.append(str(BLACKBOX))

# Two files are called conftest: this one is had by its path.
SPEC = importlib.util.spec_from_file_location("blackbox_conftest", BLACKBOX / "conftest.py")
blackbox_conftest = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(blackbox_conftest)
globals().update({name: value for name, value in vars(blackbox_conftest).items()
                  if not name.startswith("_")})

import programs  # noqa: E402  pylint: disable=wrong-import-position


@pytest.fixture(scope="module")
def lasting(tmp_path_factory):
    """Starts programs that are ended after the file's last test."""
    runner = programs.Runner(tmp_path_factory.mktemp("lasting"))
    yield runner
    runner.stop_all()
