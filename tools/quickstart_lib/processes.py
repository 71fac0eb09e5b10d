# SPDX-License-Identifier: Apache-2.0
"""Child processes that end with us, whatever ends us."""

import ctypes
import os
import pathlib
import signal
import subprocess
import time

PR_SET_PDEATHSIG = 1
READY_SECONDS = 60
END_SECONDS = 5


class Failure(Exception):
    """What went wrong, for the user."""


def die_with_parent(parent):
    # Also for a parent that was killed and could clean up nothing.
    libc = ctypes.CDLL(None, use_errno=True)

    def prepare():
        os.setpgid(0, 0)  # Ctrl-C is for the tour, which then ends its children in order
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return prepare


class Processes:
    def __init__(self, run_dir):
        self.run_dir = pathlib.Path(run_dir)
        self.running = []

    def start(self, name, command):
        log_path = self.run_dir / f"{name}.log"
        with open(log_path, "wb") as log:
            process = subprocess.Popen(  # pylint: disable=consider-using-with,subprocess-popen-preexec-fn
                [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, preexec_fn=die_with_parent(os.getpid()))
        self.running.append((name, process))

    def check(self):
        for name, process in self.running:
            if process.poll() is not None:
                log = (self.run_dir / f"{name}.log").read_text(errors="replace")
                raise Failure(f"{name} ended with status {process.returncode}:\n{log[-3000:]}")

    def wait_until(self, condition, what):
        deadline = time.monotonic() + READY_SECONDS
        while True:
            result = condition()
            if result:
                return result
            self.check()
            if time.monotonic() > deadline:
                raise Failure(f"not within {READY_SECONDS} s: {what}; logs are in {self.run_dir}")
            time.sleep(0.02)

    def wait_for_address(self, path, what):
        """The port in an address file that a program writes when it listens."""
        path = pathlib.Path(path)
        text = self.wait_until(lambda: path.exists() and path.read_text(), what)
        return int(text.strip().rpartition(":")[2])

    def end(self):
        for _, process in reversed(self.running):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + END_SECONDS
        for _, process in reversed(self.running):
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.running = []
