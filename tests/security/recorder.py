# SPDX-License-Identifier: Apache-2.0
"""An origin that keeps every byte it is sent and holds them against the strict parser.

One thread looks after all connections, so that what reached the origin before a marker request is
recorded before it: a test that has the marker's answer has seen everything.
"""

import selectors
import socket
import threading

import strict_http1

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


class Connection:
    def __init__(self, sock):
        self.socket = sock
        self.data = b""
        self.at = 0


class Recorder:
    """`answer(request)` makes the response's bytes; b"" leaves the request unanswered."""

    def __init__(self, answer=None):
        self.answer = answer or self.plain
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = self.socket.getsockname()[1]
        self.lock = threading.Lock()
        self.requests, self.violations = [], []
        self.bytes = 0
        self.partial = []  # beginnings of requests that never became whole
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.socket, selectors.EVENT_READ)
        self.wake, self.woken = socket.socketpair()
        self.selector.register(self.woken, selectors.EVENT_READ)
        self.connections = {}
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    @staticmethod
    def plain(request):
        return ANSWER + (b"" if request.method == b"HEAD" else b"ok")

    def serve(self):
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is self.woken:
                    return
                if key.fileobj is self.socket:
                    sock, _ = self.socket.accept()
                    self.connections[sock] = Connection(sock)
                    self.selector.register(sock, selectors.EVENT_READ)
                else:
                    self.read(self.connections[key.fileobj])

    def read(self, connection):
        try:
            data = connection.socket.recv(65536)
        except OSError:
            data = b""
        with self.lock:
            self.bytes += len(data)
            connection.data += data
            keep = bool(data) and self.take(connection)
            if not keep and connection.at < len(connection.data):
                self.partial.append(connection.data[connection.at:])
        if not keep:
            self.drop(connection)

    def take(self, connection):
        while connection.at < len(connection.data):
            try:
                request, connection.at = strict_http1.take_request(connection.data, connection.at)
            except strict_http1.Incomplete:
                return True
            except strict_http1.Violation as violation:
                self.violations.append(str(violation))
                return False
            self.requests.append(request)
            try:
                connection.socket.sendall(self.answer(request))
            except OSError:
                return False
        connection.data, connection.at = b"", 0
        return True

    def drop(self, connection):
        self.selector.unregister(connection.socket)
        del self.connections[connection.socket]
        connection.socket.close()

    def collect(self):
        """What came since the last call: requests, violations, open or cut-off beginnings."""
        with self.lock:
            result = (self.requests, self.violations, self.partial +
                      [c.data[c.at:] for c in self.connections.values() if c.at < len(c.data)])
            self.requests, self.violations, self.partial = [], [], []
            return result

    def has_open_beginning(self):
        """Part of a request is there, and its sender still is."""
        with self.lock:
            return any(c.at < len(c.data) for c in self.connections.values())

    def close(self):
        self.wake.send(b"x")
        self.thread.join(5)
        for connection in list(self.connections.values()):
            self.drop(connection)
        self.socket.close()
        self.selector.close()
        self.wake.close()
        self.woken.close()
