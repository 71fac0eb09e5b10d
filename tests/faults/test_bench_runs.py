# SPDX-License-Identifier: Apache-2.0
"""The runs of tools/bench with small sizes: the same code, so that neither they nor the proxy rot.

Updates and the end under load have test files of their own, which those runs call.
"""

import pathlib
import sys

import pytest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "tools" / "bench"))

import bursts  # noqa: E402  pylint: disable=wrong-import-position
import descriptors  # noqa: E402  pylint: disable=wrong-import-position
import flapping_upstream  # noqa: E402  pylint: disable=wrong-import-position
import large_transfers  # noqa: E402  pylint: disable=wrong-import-position
import management_restarts  # noqa: E402  pylint: disable=wrong-import-position
import rig as rig_module  # noqa: E402  pylint: disable=wrong-import-position
import slow_clients  # noqa: E402  pylint: disable=wrong-import-position
import stalled_origin  # noqa: E402  pylint: disable=wrong-import-position
import websockets  # noqa: E402  pylint: disable=wrong-import-position

import programs  # noqa: E402  pylint: disable=wrong-import-position


@pytest.fixture
def rig(tmp_path, is_envoy):
    if is_envoy:
        pytest.skip("the marks are the proxy's own")
    made = rig_module.Rig(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize("pair", large_transfers.PAIRS)
def test_large_transfers_take_no_memory(rig, pair):
    large_transfers.run(rig, mebibytes=16 if rig.is_sanitized else 64, pairs=pair)


def test_management_server_restarts(rig):
    management_restarts.run(rig, restarts=3, requests=3000)


def test_flapping_upstream(rig):
    flapping_upstream.run(rig, flaps=3, seconds=1.0)


@pytest.mark.parametrize("kind", slow_clients.KINDS)
def test_slow_clients_are_reaped(rig, kind):
    slow_clients.run(rig, count=100, timeout=4, kinds=kind)


def test_descriptors_run_out(rig):
    descriptors.run(rig, descriptors=256, seconds=1.0, rounds=2)


def test_websockets_hold_no_replaced_routes(rig):
    def cost(with_pushes):
        return websockets.row(programs.proxy_binary(), 60, websockets.Bench.websocket, with_pushes)

    plain, with_pushes = cost(False), cost(True)
    if not rig.is_sanitized:  # held back, a configuration of 11 routes is 12 KiB
        assert with_pushes < plain + 6, f"{with_pushes} KiB each, without pushes {plain}"


def test_uploads_to_a_stalled_origin(rig):
    # More than the kernel may hold of one on both ways.
    stalled_origin.run(rig, count=60, mebibytes=64, stall_seconds=1.0)


@pytest.mark.parametrize("kind", bursts.KINDS)
def test_memory_after_a_burst(rig, kind):
    bursts.run(rig, connections=100, requests=20, kinds=kind)
