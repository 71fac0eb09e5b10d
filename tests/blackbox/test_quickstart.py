# SPDX-License-Identifier: Apache-2.0
"""The quick start's tour, two of them side by side, and its end by Ctrl-C."""

import os
import signal
import subprocess

import pytest

import programs


@pytest.fixture
def command(proxy_bin):
    if not os.access(proxy_bin, os.X_OK) or not os.access(programs.xds_server_binary(), os.X_OK):
        pytest.skip("not built")
    return [programs.ROOT / "tools" / "quickstart", "--no-build", "--proxy", proxy_bin, "--build",
            os.path.dirname(programs.xds_server_binary())]


def test_two_tours_side_by_side(command, tmp_path):
    tours = []
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        tours.append(subprocess.Popen(  # pylint: disable=consider-using-with
            [*command, "--once"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, "TMPDIR": str(folder)}))
    for number, tour in enumerate(tours):
        said = tour.communicate(timeout=150)[0]
        assert tour.returncode == 0, said
        assert "failed: 0" in said and "grpc-status: 0" in said and "90/10" in said, said
        assert not list((tmp_path / str(number)).iterdir())


def children(pid):
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as file:
                    if int(file.read().rpartition(")")[2].split()[1]) == pid:
                        found.append(int(entry))
            except OSError:
                pass
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_over(command, run, tmp_path, number):
    tour = run.start(command, env={**os.environ, "TMPDIR": str(tmp_path)})
    tour.wait_for_log("Ctrl-C ends everything", 120)
    pids = children(tour.process.pid)
    assert len(pids) == 6
    tour.signal(number)
    status = tour.wait()
    assert status == (-9 if number == signal.SIGKILL else 0)
    programs.wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids),
                        "all children gone")
