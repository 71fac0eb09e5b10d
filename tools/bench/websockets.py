#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What an idle WebSocket costs the proxy, and whether it holds configuration back that has been replaced.

usage: websockets.py [--count 5000] PROXY

PROXY is started anew for each of three rows, with routes from a file (RDS by path): idle HTTP/1.1 connections after
one request, WebSockets, and WebSockets with a new route configuration pushed before each. A row is the growth of the
resident memory, after a warm-up, divided by the count. A WebSocket has a second connection, the one to its origin.
Everything is on the loopback interface, on ports that the kernel chooses.
"""
import argparse, http.client, json, os, resource, select, signal, socket, subprocess, sys, tempfile, time

WARM_UP, TIMEOUT_S = 50, 10
TYPE = "type.googleapis.com/envoy."
HCM = TYPE + "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = TYPE + "extensions.filters.http.router.v3.Router"


def route_file(version):
    routes = [{"name": f"route-{i}", "match": {"prefix": f"/{i}/"}, "route": {"cluster": "origin", "timeout": "15s"}}
              for i in range(10)]
    routes.append({"match": {"prefix": "/"}, "route": {"cluster": "origin", "timeout": "15s"},
                   "response_headers_to_add": [{"header": {"key": "x-version", "value": str(version)}}]})
    return {"version_info": str(version), "resources": [{
        "@type": TYPE + "config.route.v3.RouteConfiguration", "name": "routes",
        "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]}]}


def bootstrap(folder, port, origin_port):
    at = lambda p: {"socket_address": {"address": "127.0.0.1", "port_value": p}}
    manager = {"@type": HCM, "stat_prefix": "in", "stream_idle_timeout": "0s", "upgrade_configs": [{"upgrade_type": "websocket"}],
               "rds": {"route_config_name": "routes", "config_source": {
                   "path_config_source": {"path": folder + "/rds.json", "watched_directory": {"path": folder}}}},
               "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": ROUTER}}]}
    return {"node": {"id": "bench", "cluster": "bench"}, "admin": {"address": at(0)}, "static_resources": {
        "clusters": [{"name": "origin", "type": "STATIC", "connect_timeout": "5s",
                      "circuit_breakers": {"thresholds": [{"max_connections": 100000, "max_requests": 100000,
                                                           "max_pending_requests": 100000}]},
                      "load_assignment": {"cluster_name": "origin", "endpoints": [
                          {"lb_endpoints": [{"endpoint": {"address": at(origin_port)}}]}]}}],
        "listeners": [{"name": "l", "address": at(port), "filter_chains": [{"filters": [
            {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}]}]}}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def head(sock):
    data = b""
    while b"\r\n\r\n" not in data:
        got = sock.recv(65536)
        if not got:
            raise RuntimeError("closed after %r" % data)
        data += got
    return data


class Bench:
    def __init__(self, proxy):
        self.folder = tempfile.TemporaryDirectory()
        self.version = 0
        self.write_routes()
        self.origin = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.origin.settimeout(TIMEOUT_S)
        self.port = free_port()
        path = os.path.join(self.folder.name, "bootstrap.json")
        with open(path, "w") as f:
            json.dump(bootstrap(self.folder.name, self.port, self.origin.getsockname()[1]), f)
        admin = os.path.join(self.folder.name, "admin")
        self.process = subprocess.Popen([proxy, "-c", path, "--concurrency", "2", "-l", "error", "--admin-address-path", admin])
        self.admin = self.connect_admin(admin)
        self.sockets = []
        self.kept = []  # the origin's side of the connections that the proxy keeps for further requests

    def connect_admin(self, path):
        end = time.monotonic() + TIMEOUT_S
        while time.monotonic() < end:
            try:
                with open(path) as f:
                    host, port = f.read().strip().rsplit(":", 1)
                connection = http.client.HTTPConnection(host, int(port), timeout=TIMEOUT_S)
                connection.request("GET", "/ready")
                answer = connection.getresponse()
                answer.read()
                if answer.status == 200:
                    return connection
            except (OSError, ValueError):
                pass
            time.sleep(0.05)
        raise RuntimeError("the proxy did not become ready")

    def write_routes(self):
        path = os.path.join(self.folder.name, "rds.json")
        with open(path + ".new", "w") as f:
            json.dump(route_file(self.version), f)
        os.rename(path + ".new", path)

    def updates(self):
        self.admin.request("GET", "/stats?filter=rds.routes.update_success")
        return int(self.admin.getresponse().read().split(b":")[1])

    def push(self):
        before = self.updates()
        self.version += 1
        self.write_routes()
        end = time.monotonic() + TIMEOUT_S
        while self.updates() == before:
            if time.monotonic() > end:
                raise RuntimeError("a push was not taken")

    def websocket(self):
        client = socket.create_connection(("127.0.0.1", self.port), TIMEOUT_S)
        client.sendall(b"GET /chat HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                       b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n")
        origin, _ = self.origin.accept()
        origin.settimeout(TIMEOUT_S)
        head(origin)
        origin.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                       b"Sec-WebSocket-Accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=\r\n\r\n")
        if b" 101 " not in head(client):
            raise RuntimeError("the upgrade was refused")
        client.sendall(b"\x81\x80\0\0\0\0")
        if origin.recv(64) != b"\x81\x80\0\0\0\0":
            raise RuntimeError("the first frame did not arrive")
        self.sockets += [client, origin]

    def plain(self):
        client = socket.create_connection(("127.0.0.1", self.port), TIMEOUT_S)
        client.sendall(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
        self.answer()
        head(client)
        self.sockets.append(client)

    def answer(self):
        while True:
            ready, _, _ = select.select([self.origin, *self.kept], [], [], TIMEOUT_S)
            for sock in ready:
                if sock is self.origin:
                    self.kept.append(sock.accept()[0])
                    continue
                head(sock)
                sock.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
                return
            if not ready:
                raise RuntimeError("no request arrived")

    def resident(self):
        with open(f"/proc/{self.process.pid}/status") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))

    def settled(self):
        """The resident size once it has stopped changing."""
        sizes = [self.resident()]
        while len(sizes) < 50 and (len(sizes) < 4 or len(set(sizes[-4:])) > 1):
            time.sleep(0.1)
            sizes.append(self.resident())
        return sizes[-1]

    def close(self):
        for s in self.sockets + self.kept:
            s.close()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.origin.close()
        self.folder.cleanup()


def row(proxy, count, open_one, with_pushes):
    bench = Bench(proxy)
    try:
        for _ in range(WARM_UP):
            if with_pushes:
                bench.push()
            open_one(bench)
        before = bench.settled()
        for _ in range(count):
            if with_pushes:
                bench.push()
            open_one(bench)
        return (bench.settled() - before) / count
    finally:
        bench.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("proxy")
    args = parser.parse_args()
    files = 4 * args.count + 1024
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < files:
        sys.exit(f"{files} open files are needed, {hard} are allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, files), hard))
    for name, open_one, with_pushes in (("idle connection", Bench.plain, False), ("WebSocket", Bench.websocket, False),
                                        ("WebSocket, a push each", Bench.websocket, True)):
        print("%-24s %6.2f KiB each" % (name, row(args.proxy, args.count, open_one, with_pushes)), flush=True)


if __name__ == "__main__":
    main()
