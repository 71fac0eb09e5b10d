#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An HTTP/1.1 origin for many connections: prints its port, then serves until it is ended.

GET /big/N answers with N bytes, as fast as they are taken; anything else is answered with five
bytes when its body is there. --stalled: nothing that comes is ever read. --port N: that port again.
"""

import asyncio
import socket
import sys

FIXED = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nfixed"
PIECE = bytes(65536)


class Connection(asyncio.Protocol):
    is_stalled, kept = False, []

    def __init__(self):
        self.transport, self.head, self.body_left, self.big_left = None, b"", 0, 0
        self.may_write = True

    def connection_made(self, transport):
        self.transport = transport
        if self.is_stalled:
            self.kept.append(transport)  # nothing else refers to one that does not read
            asyncio.get_running_loop().call_soon(transport.pause_reading)

    def pause_writing(self):
        self.may_write = False

    def resume_writing(self):
        self.may_write = True
        self.send_big()

    def send_big(self):
        while self.big_left and self.may_write:
            piece = PIECE[:min(self.big_left, len(PIECE))]
            self.big_left -= len(piece)
            self.transport.write(piece)

    def data_received(self, data):
        while data or self.head:
            if self.body_left:
                taken = min(self.body_left, len(data))
                self.body_left, data = self.body_left - taken, data[taken:]
                if self.body_left == 0:
                    self.transport.write(FIXED)
                if not data:
                    return
            self.head += data
            head, end, data = self.head.partition(b"\r\n\r\n")
            if not end:
                return
            self.head = b""
            self.handle(head)

    def handle(self, head):
        _, target, _ = head.split(b"\r\n")[0].split(b" ")
        if target.startswith(b"/big/"):
            self.big_left = int(target.split(b"/")[2])
            self.transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % self.big_left)
            self.send_big()
            return
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                self.body_left = int(value)
        if not self.body_left:
            self.transport.write(FIXED)


async def serve():
    Connection.is_stalled = "--stalled" in sys.argv
    listening = socket.socket()
    if Connection.is_stalled:  # what the kernel would take is not the proxy's to hold
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    port = int(sys.argv[sys.argv.index("--port") + 1]) if "--port" in sys.argv else 0
    listening.bind(("127.0.0.1", port))
    server = await asyncio.get_running_loop().create_server(
        Connection, sock=listening, backlog=4096)
    print(listening.getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve())
