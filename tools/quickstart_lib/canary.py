# SPDX-License-Identifier: Apache-2.0
"""A steady load over kept connections that counts which service answered."""

import collections
import http.client
import threading

CONNECTIONS = 4


class Counts:
    def __init__(self, services, failed):
        self.services, self.failed = services, failed

    def share(self, service):
        total = sum(self.services.values())
        return self.services[service] / total if total else 0.0

    def __str__(self):
        total = sum(self.services.values())
        parts = [f"{name} {count} ({100 * count / total:.1f} %)"
                 for name, count in sorted(self.services.items())]
        return f"{total} requests: {', '.join(parts) or 'none'}, {self.failed} failed"


class Load:
    def __init__(self, port):
        self.port = port
        self.lock = threading.Lock()
        self.is_over = False
        self.services, self.failed = collections.Counter(), 0
        self.failures = []
        self.threads = [threading.Thread(target=self.work, daemon=True)
                        for _ in range(CONNECTIONS)]

    def start(self):
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.is_over = True
        for thread in self.threads:
            thread.join(15)

    def note(self, service, failure):
        with self.lock:
            if failure:
                self.failed += 1
                self.failures.append(failure)
            else:
                self.services[service] += 1

    def work(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        while not self.is_over:
            try:
                connection.request("GET", "/canary")
                response = connection.getresponse()
                body = response.read().decode("utf-8", "replace")
                good = response.status == 200
                self.note(response.getheader("x-service"),
                          None if good else f"{response.status} {body.strip()}")
            except (OSError, http.client.HTTPException) as error:
                self.note(None, repr(error))
                connection.close()

    def count(self, service=None):
        with self.lock:
            total = self.services[service] if service else sum(self.services.values())
            return total, self.failed

    def wait_for(self, requests, processes):
        processes.wait_until(lambda: sum(self.count()) >= requests, f"{requests} answers")

    def wait_for_service(self, service, processes):
        processes.wait_until(lambda: self.count(service)[0] > 0, f"an answer of {service}")

    def take(self):
        """What was counted since the last call."""
        with self.lock:
            counts = Counts(self.services, self.failed)
            self.services, self.failed = collections.Counter(), 0
        return counts
