#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Hundreds of large uploads to an origin that reads nothing: the clients are held back, the resident
memory stays within its limit, and is given back when they have gone. Other requests are served.
"""

import select
import socket

import rig as rig_module
from rig import MIB

import config
import process
import programs

LIMIT = 128 * MIB
PIECE = bytes(65536)


class Upload:
    def __init__(self, port, size):
        self.left = size
        self.socket = programs.connect(port)
        # Kernel buffers of all sizes together must stay below net.ipv4.tcp_mem.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        self.socket.sendall(b"POST /stalled HTTP/1.1\r\nhost: u\r\ncontent-length: %d\r\n\r\n" % size)
        self.socket.setblocking(False)

    def push(self):
        """Bytes that were taken now."""
        try:
            sent = self.socket.send(PIECE[:min(self.left, len(PIECE))])
        except BlockingIOError:
            return 0
        except ConnectionError as error:
            raise AssertionError(f"{error}: {self.socket.recv(4096)!r}") from error
        self.left -= sent
        return sent

    def abort(self):
        """With a reset: an end in order would wait behind what the proxy does not read."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()


def push_until_stalled(uploads, seconds, may_be_reset=False):
    """All that is taken; over when nothing was for so long."""
    poll, by_fd, total = select.epoll(), {}, 0
    for upload in uploads:
        by_fd[upload.socket.fileno()] = upload
        poll.register(upload.socket.fileno(), select.EPOLLOUT)
    while ready := poll.poll(seconds, 256):
        for number, _ in ready:
            try:
                total += by_fd[number].push()
            except (AssertionError, OSError):
                if not may_be_reset:
                    raise
                poll.unregister(number)
                continue
            if not by_fd[number].left:
                poll.unregister(number)
    poll.close()
    return total


def bootstrap(stalled, working):
    many = {"thresholds": [{"max_connections": 100000, "max_pending_requests": 100000,
                            "max_requests": 100000}]}
    limit = {"per_connection_buffer_limit_bytes": 32768}
    host = config.virtual_host(config.to("stalled", prefix="/stalled", timeout="0s"),
                               config.to("up"))
    return config.static(
        [config.listener(config.manager(host), **limit)],
        [config.cluster("stalled", stalled, circuit_breakers=many, **limit),
         config.cluster("up", working)])


def run(rig, count, mebibytes, stall_seconds):
    stalled, working = rig.origin("--stalled"), rig.origin()
    proxy = rig.proxy(bootstrap(stalled.port, working.port))
    port = proxy.port()
    with process.Serving(port) as serving:
        programs.wait_until(lambda: len(serving.seconds) > 100 or serving.errors, "served")
        before, memory = rig_module.resident(proxy), rig_module.PeakMemory(proxy)
        uploads = [Upload(port, mebibytes * MIB) for _ in range(count)]
        taken = push_until_stalled(uploads, stall_seconds)
        held = sum(1 for upload in uploads if upload.left)
        peak = before + memory.growth()
        for upload in uploads:
            upload.abort()
        clock = rig_module.Clock()
        if not rig.is_sanitized:
            programs.wait_until(lambda: rig_module.resident(proxy) <= before * 1.1, lambda: (
                f"baseline {before / MIB:.1f} MiB, now {rig_module.resident(proxy) / MIB:.1f} MiB "
                f"(peak {peak / MIB:.1f} MiB)"), 30)
        back = clock.seconds()
        served = len(serving.seconds)
        programs.wait_until(lambda: len(serving.seconds) > served or serving.errors, "served")
    assert not serving.errors, serving.errors
    assert held == count, f"{count - held} uploads were taken whole by nobody"
    assert rig.is_sanitized or peak <= LIMIT, f"peak of {peak / MIB:.0f} MiB"
    return {"baseline": f"{before / MIB:.1f} MiB", "peak": f"{peak / MIB:.1f} MiB",
            "back after": f"{back:.1f} s", "taken from the clients": f"{taken / MIB:.0f} MiB",
            "well-behaved requests": len(serving.seconds)}


if __name__ == "__main__":
    rig_module.main(run, count=500, mebibytes=10, stall_seconds=3.0)
