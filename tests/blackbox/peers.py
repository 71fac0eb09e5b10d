# SPDX-License-Identifier: Apache-2.0
"""Peers that are built from Go modules, once per content of their sources."""

import hashlib
import json
import os
import pathlib
import subprocess

import pytest

import programs


def go_command():
    script = "source tools/deps/common.sh && source tools/deps/go.sh && go_command"
    result = subprocess.run(["bash", "-c", script], cwd=programs.ROOT, check=False,
                            capture_output=True, text=True)
    lines = result.stdout.strip().splitlines()
    return lines[-1] if lines else None


def build(name, package="."):
    """The program of tests/peers/NAME."""
    source = programs.ROOT / "tests" / "peers" / name
    digest = hashlib.sha256(package.encode())
    for path in sorted(source.iterdir()):
        digest.update(path.name.encode() + path.read_bytes())
    cache = pathlib.Path(os.environ.get("SALLYPORT_CACHE") or pathlib.Path(
        os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "sallyport")
    binary = cache / f"peer-{name}-{digest.hexdigest()[:16]}"
    if binary.exists():
        return str(binary)
    go = go_command()
    if go is None:
        pytest.skip("no Go toolchain")
    cache.mkdir(parents=True, exist_ok=True)
    temporary = binary.with_name(f"{binary.name}.{os.getpid()}")
    result = subprocess.run([go, "build", "-o", temporary, package], cwd=source, check=False,
                            capture_output=True, text=True, env={**os.environ, "CGO_ENABLED": "0"})
    assert result.returncode == 0, result.stderr
    temporary.rename(binary)
    return str(binary)


class GoControlPlane:
    """go-control-plane's snapshot cache behind its gRPC server."""

    def __init__(self, run, *options):
        self.program = run.start([build("go-control-plane"), *options], stdin=subprocess.PIPE)
        programs.wait_until(lambda: "LISTENING" in self.program.log or
                            not self.program.check_alive(), self.program.describe)
        line = self.program.log.splitlines()[0]
        self.port = int(line.rpartition(":")[2])
        self.version = 0

    def set(self, resources):
        self.version += 1
        text = json.dumps({"version": str(self.version), "resources": resources})
        self.program.process.stdin.write(text.encode() + b"\n")
        self.program.process.stdin.flush()
        self.program.wait_for_log(f"SNAPSHOT {self.version}")
