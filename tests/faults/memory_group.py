# SPDX-License-Identifier: Apache-2.0
"""A memory control group of version 1 for one program, which sees it as its container's own."""

import os
import pathlib
import shlex
import subprocess
import tempfile

import pytest

ROOT = pathlib.Path("/sys/fs/cgroup/memory")


class MemoryGroup:
    """Skips the test where groups or mount namespaces cannot be made."""

    def __init__(self, limit_bytes):
        try:
            self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sallyport-test-", dir=ROOT))
            (self.folder / "memory.limit_in_bytes").write_text(str(limit_bytes))
        except OSError as error:
            pytest.skip(f"no memory control group can be made: {error}")
        if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
            self.folder.rmdir()
            pytest.skip("no mount namespace can be made")

    def wrapper(self, binary, path):
        """A program at `path` that is `binary` inside the group."""
        folder = shlex.quote(str(self.folder))
        inner = f'mount --bind {folder} {ROOT} && exec {shlex.quote(str(binary))} "$@"'
        path.write_text(f"#!/bin/sh\necho $$ > {folder}/cgroup.procs && "
                        f"exec unshare -m sh -c {shlex.quote(inner)} sh \"$@\"\n")
        os.chmod(path, 0o755)
        return path

    def is_empty(self):
        return not (self.folder / "cgroup.procs").read_text()

    def number(self, name):
        return int((self.folder / name).read_text())

    def kills(self):
        """Processes that the kernel ended for want of memory."""
        lines = dict(line.split() for line in
                     (self.folder / "memory.oom_control").read_text().splitlines())
        return int(lines["oom_kill"])

    def close(self):
        """Once its programs have ended."""
        self.folder.rmdir()
