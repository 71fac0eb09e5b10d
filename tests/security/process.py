# SPDX-License-Identifier: Apache-2.0
"""What a process costs, from /proc; and a client that behaves while others do not."""

import os
import pathlib
import threading
import time

import wire

IS_SLOW = bool(os.environ.get("SALLYPORT_SLOW"))


def status_kib(pid, name):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    raise AssertionError(f"no {name} of {pid}")


def anonymous_kib(pid):
    return status_kib(pid, "RssAnon")


class Peak:
    """The most memory that was resident at once since start(), beyond what was then."""

    def __init__(self, pid):
        self.pid, self.before = pid, 0

    def start(self):
        pathlib.Path(f"/proc/{self.pid}/clear_refs").write_text("5")
        self.before = status_kib(self.pid, "VmHWM")

    def kib(self):
        return status_kib(self.pid, "VmHWM") - self.before


def cpu_seconds(pid):
    total = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def is_sanitized(binary):
    """Built with a sanitizer: its memory says nothing about the proxy's."""
    return b"__asan_init" in pathlib.Path(binary).read_bytes()


class Serving:
    """Asks 100 times a second on one connection; every answer must be 200."""

    def __init__(self, port):
        self.port, self.errors, self.seconds = port, [], []
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.thread.join()

    def run(self):
        try:
            with wire.connect(self.port) as sock:
                reader = wire.Reader(sock)
                while not self.ending.wait(0.01) or not self.seconds:
                    start = time.monotonic()
                    sock.sendall(b"GET /serving HTTP/1.1\r\nhost: serving\r\n\r\n")
                    answer = reader.answer()
                    self.seconds.append(time.monotonic() - start)
                    if answer is None or answer[0] != 200:
                        self.errors.append(answer)
                        return
        except (OSError, AssertionError) as error:
            self.errors.append(error)

    def p99(self):
        return sorted(self.seconds)[int(len(self.seconds) * 0.99)]
