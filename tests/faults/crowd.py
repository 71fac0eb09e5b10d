# SPDX-License-Identifier: Apache-2.0
"""A thousand requests at once and the origin that holds them, in a thread each: plain sockets, raw
frames. /hold/N waits for release() before the head, /half/N within the body; all else is answered."""

import resource
import selectors
import socket
import struct
import threading
import time

import hpack

import hostile
import programs

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + hostile.frame(hostile.SETTINGS, 0, 0)
ACKNOWLEDGED = hostile.frame(hostile.SETTINGS, 1, 0)
STREAMS = 100  # on a connection
END_STREAM, END_HEADERS = 1, 4


def allow_files(number):
    """For this process and those that it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, number), hard), hard))


def halves(path):
    """The answer before the release and after it."""
    kind = path.split(b"/")[1]
    if kind == b"hold":
        return b"", b"firstlater"
    return (b"first", b"later") if kind == b"half" else (b"firstlater", b"")


class Http1Peer:
    """One connection of the origin's: what is to be said to the bytes that came."""

    def __init__(self):
        self.left, self.after = b"", b""

    def take(self, data):
        """(bytes to send, requests that are held now)"""
        self.left += data
        if not self.left.endswith(b"\r\n\r\n"):
            return b"", 0
        first, self.after = halves(self.left.split(b" ", 2)[1])
        self.left = b""
        head = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n"
        if not first:
            self.after = head + self.after
            return b"", 1
        return head + first, 1 if self.after else 0

    def release(self):
        after, self.after = self.after, b""
        return after


class Http2Peer:
    def __init__(self):
        self.left, self.is_begun = b"", False
        self.decoder, self.after = hpack.Decoder(), {}

    def take(self, data):
        self.left += data
        result, held = b"", 0
        if not self.is_begun:
            if len(self.left) < 24:
                return b"", 0
            self.is_begun, self.left = True, self.left[24:]
            result = hostile.frame(hostile.SETTINGS, 0, 0)
        frames, self.left = split_frames(self.left)
        for kind, flags, stream, payload in frames:
            if kind == hostile.SETTINGS and not flags & 1:
                result += ACKNOWLEDGED
            elif kind == hostile.HEADERS:
                path = dict(self.decoder.decode(payload, raw=True))[b":path"]
                said, is_held = self.begin(stream, *halves(path))
                result, held = result + said, held + is_held
        return result, held

    def begin(self, stream, first, after):
        head = hostile.frame(hostile.HEADERS, END_HEADERS, stream, b"\x88" +  # :status: 200
                             hostile.literal(b"content-length", b"10"))
        if after:
            self.after[stream] = (b"" if first else head) + hostile.frame(
                hostile.DATA, END_STREAM, stream, after)
        if not first:
            return b"", 1
        return head + hostile.frame(hostile.DATA, 0 if after else END_STREAM, stream, first), (
            1 if after else 0)

    def release(self):
        after, self.after = b"".join(self.after.values()), {}
        return after


def split_frames(data):
    frames = []
    while len(data) >= 9 and len(data) >= 9 + (size := int.from_bytes(data[:3], "big")):
        kind, flags, stream = struct.unpack(">BBI", data[3:9])
        frames.append((kind, flags, stream & 0x7fffffff, data[9:9 + size]))
        data = data[9 + size:]
    return frames, data


class Origin:
    def __init__(self, kind="http1"):
        self.peer = Http1Peer if kind == "http1" else Http2Peer
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = self.socket.getsockname()[1]
        self.held, self.is_released, self.is_over = 0, False, False
        self.wake, self.woken = socket.socketpair()
        self.selector = selectors.DefaultSelector()
        for at in (self.socket, self.woken):
            at.setblocking(False)
            self.selector.register(at, selectors.EVENT_READ)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def release(self):
        self.is_released = True
        self.wake.send(b"x")

    def close(self):
        self.is_over = True
        self.wake.send(b"x")
        self.thread.join()
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
        self.wake.close()
        self.selector.close()

    def run(self):
        while not self.is_over:
            for key, _ in self.selector.select():
                if key.fileobj is self.socket:
                    self.accept()
                elif key.fileobj is self.woken:
                    self.woken.recv(100)
                else:
                    self.read(key.fileobj, key.data)
            if self.is_released:
                self.let_go()

    def accept(self):
        connection, _ = self.socket.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.selector.register(connection, selectors.EVENT_READ, self.peer())

    def read(self, connection, peer):
        try:
            data = connection.recv(65536)
        except OSError:
            data = b""
        if not data:
            self.selector.unregister(connection)
            connection.close()
            return
        said, held = peer.take(data)
        self.send(connection, said)
        self.held += held

    @staticmethod
    def send(connection, data):
        try:
            connection.sendall(data)
        except OSError:
            pass  # its reader notices

    def let_go(self):
        self.is_released = False
        for key in list(self.selector.get_map().values()):
            if key.data is not None:
                self.send(key.fileobj, key.data.release())


class Http1Request:
    """One request on a connection of its own."""

    def __init__(self, port, path):
        self.socket, self.data = programs.connect(port), b""
        self.socket.sendall(b"GET %s HTTP/1.1\r\nhost: crowd\r\n\r\n" % path)

    def take(self, data):
        self.data += data

    def whole(self):
        head, _, body = self.data.partition(b"\r\n\r\n")
        return int(head.startswith(b"HTTP/1.1 200 ") and body == b"firstlater")


class Http2Requests:
    """A connection full of them."""

    def __init__(self, port, paths):
        self.socket = programs.connect(port)
        self.left, self.decoder = b"", hpack.Decoder()
        self.bodies, self.ended, self.bad = {}, set(), []
        self.socket.sendall(PREFACE + ACKNOWLEDGED + b"".join(
            hostile.frame(hostile.HEADERS, END_STREAM | END_HEADERS, 2 * number + 1,
                          b"\x82\x86" + hostile.literal(b":path", path) +
                          hostile.literal(b":authority", b"crowd"))
            for number, path in enumerate(paths)))

    def take(self, data):
        frames, self.left = split_frames(self.left + data)
        for kind, flags, stream, payload in frames:
            if kind == hostile.HEADERS:
                status = dict(self.decoder.decode(payload))[":status"]
                if status != "200":
                    self.bad.append(f"{stream}: {status}")
                self.bodies[stream] = b""
            elif kind == hostile.DATA:
                self.bodies[stream] += payload
            elif kind == hostile.RST:
                self.bad.append(f"{stream}: reset {payload.hex()}")
            if kind in (hostile.HEADERS, hostile.DATA) and flags & END_STREAM:
                self.ended.add(stream)

    def whole(self):
        assert not self.bad, self.bad[:5]
        return sum(1 for stream in self.ended if self.bodies[stream] == b"firstlater")


class Crowd:
    """`count` requests, nine of ten by HTTP/2; half of each kind are held in the middle of the body."""

    def __init__(self, port, count):
        paths = [b"/%s/%d" % (b"half" if number % 2 else b"hold", number)
                 for number in range(count)]
        single = count // 10
        self.count = count
        self.clients = [Http1Request(port, path) for path in paths[:single]] + [
            Http2Requests(port, paths[at:at + STREAMS]) for at in range(single, count, STREAMS)]

    def finish(self, seconds=60):
        """Reads until all have the whole answer; returns how many do."""
        selector, deadline = selectors.DefaultSelector(), time.monotonic() + seconds
        for client in self.clients:
            selector.register(client.socket, selectors.EVENT_READ, client)
        while self.whole() < self.count and selector.get_map() and time.monotonic() < deadline:
            for key, _ in selector.select(1):
                try:
                    data = key.fileobj.recv(65536)
                except OSError:
                    data = b""
                if data:
                    key.data.take(data)
                else:
                    selector.unregister(key.fileobj)
        selector.close()
        return self.whole()

    def whole(self):
        return sum(client.whole() for client in self.clients)

    def close(self):
        for client in self.clients:
            client.socket.close()
