# SPDX-License-Identifier: Apache-2.0
"""A name server on loopback that answers what the test says, right or wrong."""

import socket
import struct
import threading

A, NO_SUCH_NAME, SERVER_FAILURE, REFUSED = 1, 3, 2, 5
TTL = 0


def answer(query, addresses=(), code=0):
    """The response to a query of one question; addresses only where it asks for IPv4."""
    end = 12
    while query[end]:
        end += query[end] + 1
    question = query[12:end + 5]
    (kind,) = struct.unpack(">H", query[end + 1:end + 3])
    found = addresses if kind == A else ()
    records = b"".join(b"\xc0\x0c" + struct.pack(">HHIH", A, 1, TTL, 4) + socket.inet_aton(one)
                       for one in found)
    return query[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, len(found), 0, 0) + question + \
        records


class NameServer:
    """`says` is what is answered: addresses, the number of an error, bytes, or None for silence."""

    def __init__(self, says):
        self.says, self.asked = says, 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.is_over = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            query, peer = self.socket.recvfrom(4096)
            if self.is_over:
                return
            self.asked += 1
            said = self.response(query)
            if said is not None:
                self.socket.sendto(said, peer)

    def response(self, query):
        says = self.says
        if says is None:
            return None
        if isinstance(says, bytes):
            return query[:2] + says
        return answer(query, code=says) if isinstance(says, int) else answer(query, says)

    def close(self):
        self.is_over = True
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waking:
            waking.sendto(b"", ("127.0.0.1", self.port))
        self.thread.join()
        self.socket.close()
