# SPDX-License-Identifier: Apache-2.0
"""Differential tests: see testdata/differential/README.md for the cases.

PROXY_BIN           the proxy compared with Envoy (default: $SALLYPORT_BIN, else
                    $SALLYPORT_BUILD/sallyport)
DIFFERENTIAL_REPORT where to write the outcomes as JSON, for report.py
"""

import json
import os
import pathlib
import shutil
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "blackbox"))

import certs as certs_module  # noqa: E402  pylint: disable=wrong-import-position
import runs  # noqa: E402  pylint: disable=wrong-import-position


@pytest.fixture(scope="session")
def outcomes(request, tmp_path_factory):
    """The outcomes of all selected cases, {case id: [envoy, ours]}; they run together."""
    folder = tmp_path_factory.mktemp("differential")
    certs = certs_module.make(folder / "certs")
    selected = [item.callspec.params["case"] for item in request.session.items
                if "case" in getattr(getattr(item, "callspec", None), "params", {})]
    return runs.run_all(selected, folder, certs)


@pytest.fixture(scope="session")
def verdicts():
    """{case id: verdict}, filled by the tests and written out at the end."""
    collected = {}
    yield collected
    path = os.environ.get("DIFFERENTIAL_REPORT")
    if path:
        pathlib.Path(path).write_text(json.dumps(collected, indent=1))


def pytest_collection_modifyitems(items):
    if shutil.which("openssl") is None:
        for item in items:
            item.add_marker(pytest.mark.skip(reason="openssl is not installed"))
