# SPDX-License-Identifier: Apache-2.0
"""What the runs share: the tests' programs and clients, the command line, the result line.

A run is a function of a Rig and of its sizes; it returns what it measured and fails by an assertion.
tests/faults calls the same functions with small sizes.
"""

import argparse
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
for folder in ("tests/security", "tests/faults", "tests/blackbox"):
    sys.path.append(str(ROOT / folder))

import pytest  # noqa: E402  pylint: disable=wrong-import-position

import certs as certs_module  # noqa: E402  pylint: disable=wrong-import-position
import process  # noqa: E402  pylint: disable=wrong-import-position
import programs  # noqa: E402  pylint: disable=wrong-import-position

MIB = 1 << 20
OPEN_FILES = resource.getrlimit(resource.RLIMIT_NOFILE)[1]


class Rig:
    """Programs in a folder of their own, ended with it; a run starts what it needs."""

    def __init__(self, folder):
        self.own_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
        self.runner = programs.Runner(pathlib.Path(folder))
        self.folder = pathlib.Path(folder)
        self.binary = programs.proxy_binary()
        self.is_sanitized = process.is_sanitized(self.binary)
        self.made_certs = None

    @property
    def certs(self):
        if self.made_certs is None:
            self.made_certs = certs_module.make(self.folder / "certs")
        return self.made_certs

    def proxy(self, bootstrap, *options, descriptors=OPEN_FILES):
        """The proxy, allowed so many file descriptors."""
        own = resource.getrlimit(resource.RLIMIT_NOFILE)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, own[1]))
            return self.runner.proxy(self.binary, bootstrap, *options)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, own)

    def origin(self, *options):
        """origin.py as a process of its own; its port."""
        started = self.runner.start([sys.executable, ROOT / "tools" / "bench" / "origin.py",
                                     *options])
        started.wait_for_log("\n")
        started.port = int(started.log.split()[0])
        return started

    def close(self):
        self.runner.stop_all()
        resource.setrlimit(resource.RLIMIT_NOFILE, self.own_limit)


def resident(program):
    """Bytes."""
    return process.status_kib(program.process.pid, "VmRSS") * 1024


class PeakMemory:
    """The most that was resident at once, as the kernel keeps it: nothing lies between two samples."""

    def __init__(self, program):
        self.peak = process.Peak(program.process.pid)
        self.peak.start()

    def growth(self):
        return self.peak.kib() * 1024


class Clock:
    """Seconds since it was made."""

    def __init__(self):
        self.began = time.monotonic()

    def seconds(self):
        return time.monotonic() - self.began


def pytest_run(rig, file, **environment):
    """A test file as a run; what it printed. Its sizes come by the environment."""
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider",
         f"--basetemp={rig.folder / 'pytest'}", ROOT / file],
        env={**os.environ, "PROXY_BIN": rig.binary, **environment}, capture_output=True, text=True,
        check=False)
    assert result.returncode == 0, result.stdout[-3000:]
    return result.stdout


def main(run, **sizes):
    """Runs with these sizes (each is an option too), prints one line; exit status 1 on a miss."""
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("--sallyport", default=programs.proxy_binary(), help="the proxy")
    for name, size in sizes.items():
        parser.add_argument("--" + name.replace("_", "-"), type=type(size), default=size)
    options = vars(parser.parse_args())
    binary = pathlib.Path(options.pop("sallyport")).resolve()
    os.environ["PROXY_BIN"] = str(binary)
    os.environ.setdefault("SALLYPORT_BUILD", str(binary.parent))
    name, clock = pathlib.Path(sys.argv[0]).stem, Clock()
    with tempfile.TemporaryDirectory() as folder:
        rig = Rig(folder)
        try:
            figures = run(rig, **options)
        except (AssertionError, pytest.fail.Exception, OSError) as error:
            print(f"{name}: MISSED after {clock.seconds():.0f} s: {error}")
            sys.exit(1)
        finally:
            rig.close()
    print(f"{name}: ok in {clock.seconds():.0f} s: " +
          ", ".join(f"{key} {value}" for key, value in figures.items()))
