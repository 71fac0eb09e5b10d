#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A service of the quick start: HTTP/1.1, says its name. upstream.py NAME ADDRESS_FILE"""

import http.server
import os
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        seen = self.headers.get("x-forwarded-for", "-")
        body = f"{self.server.name}: {self.command} {self.path} for {seen}\n".encode()
        self.send_response(200)
        self.send_header("content-type", "text/plain")
        self.send_header("x-service", self.server.name)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_POST = do_PUT = do_GET


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 256

    def handle_error(self, *_):
        pass  # clients that go away are no news


def main():
    name, address_path = sys.argv[1:]
    server = Server(("127.0.0.1", 0), Handler)
    server.name = name
    with open(address_path + ".new", "w", encoding="ascii") as file:
        file.write(f"127.0.0.1:{server.server_address[1]}")
    os.rename(address_path + ".new", address_path)
    server.serve_forever()


if __name__ == "__main__":
    main()
