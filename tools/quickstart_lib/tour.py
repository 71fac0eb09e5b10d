#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The quick start after the build: starts everything, shows it at work, stays until Ctrl-C."""

import argparse
import http.client
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

from canary import Load
from processes import Failure, Processes

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONFIG = ROOT / "testdata" / "quickstart"
SERVICES = {"catalog-v1": (15001, 8081), "catalog-v2": (15002, 8082), "health": (15003, 8083)}
GRPC_EMPTY = bytes(5)  # a gRPC frame around a message without fields
REQUESTS_BEFORE, REQUESTS_AFTER = 400, 1000


def say(text=""):
    print(text, flush=True)


def parse_arguments():
    parser = argparse.ArgumentParser(
        prog="tools/quickstart",
        description="Builds Sallyport and shows it as the edge of a small mesh.")
    parser.add_argument("--once", action="store_true", help="end after the tour")
    parser.add_argument("--http-port", type=int, default=0, help="default: a free one")
    parser.add_argument("--https-port", type=int, default=0, help="default: a free one")
    parser.add_argument("--admin-port", type=int, default=0, help="default: a free one")
    parser.add_argument("--xds-port", type=int, default=0, help="default: a free one")
    parser.add_argument("--proxy", metavar="PATH", help="another proxy in both roles, as Envoy, "
                        "to compare (default: the one that was built)")
    parser.add_argument("--build", metavar="FOLDER", default=ROOT / "build" / "release",
                        help="where the programs are (default: build/release)")
    parser.add_argument("--keep", action="store_true", help="keep the run's folder with its logs")
    parser.add_argument("--no-build", action="store_true", help="use what is built")
    arguments = parser.parse_args()
    arguments.build = pathlib.Path(arguments.build).resolve()
    arguments.proxy = arguments.proxy or str(arguments.build / "sallyport")
    return arguments


class Tour:
    def __init__(self, arguments, run_dir):
        self.arguments = arguments
        self.run_dir = pathlib.Path(run_dir)
        self.processes = Processes(run_dir)
        self.ports = {19000: arguments.admin_port, 10080: arguments.http_port,
                      10443: arguments.https_port}
        self.is_good = True

    # ---- starting ----

    def configure(self, name, target=None):
        """A file of testdata/quickstart with this run's ports and folder."""
        text = (CONFIG / name).read_text(encoding="utf-8")
        text = text.replace("quickstart-run/", f"{self.run_dir}/")
        for default, port in self.ports.items():
            text = text.replace(f"port_value: {default}}}", f"port_value: {port}}}")
        path = self.run_dir / (target or name)
        path.parent.mkdir(exist_ok=True)
        temporary = path.with_name(f".{path.name}.new")
        temporary.write_text(text, encoding="utf-8")
        temporary.rename(path)
        return path

    def make_certificates(self):
        identity = "spiffe://mesh.quickstart.test/ns"
        for name, *names in (
                ("edge", "DNS:shop.quickstart.test", "DNS:localhost", "IP:127.0.0.1"),
                ("edge-client", f"URI:{identity}/edge/sa/gateway"),
                ("services", f"URI:{identity}/shop/sa/services"),
                ("xds", "DNS:xds.quickstart.test")):
            subprocess.run([ROOT / "tools" / "certs", "--out", self.run_dir / "certs", name,
                            *names], check=True)

    def cert(self, name):
        return self.run_dir / "certs" / name

    def start_services(self):
        for name in ("catalog-v1", "catalog-v2"):
            self.processes.start(name, [sys.executable, ROOT / "tools/quickstart_lib/upstream.py",
                                        name, self.run_dir / f"{name}.address"])
        (self.run_dir / "empty").mkdir()
        self.processes.start("health", [
            self.arguments.build / "xds_server", "--listen", "127.0.0.1:0", "--address-path",
            self.run_dir / "health.address", self.run_dir / "empty"])
        for name, (_, port) in SERVICES.items():
            self.ports[port] = self.processes.wait_for_address(
                self.run_dir / f"{name}.address", f"the service {name}")

    def start_proxy(self, name, config):
        admin = self.run_dir / f"{name}.admin"
        self.processes.start(name, [
            self.arguments.proxy, "-c", config, "--admin-address-path", admin, "--concurrency", "2",
            "--disable-hot-restart", "--drain-time-s", "1", "--file-flush-interval-msec", "200"])
        return self.processes.wait_for_address(admin, f"{name}'s admin address")

    def ask_admin(self, port, path):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        except OSError:
            return 0, b""
        finally:
            connection.close()

    def listener_ports(self, admin, names):
        """Ports of the listeners, once they are all there."""
        def look():
            status, body = self.ask_admin(admin, "/listeners?format=json")
            found = {}
            for item in json.loads(body or b"{}").get("listener_statuses", []) if status == 200 else []:
                found[item["name"]] = item["local_address"]["socket_address"]["port_value"]
            return found if set(names) <= set(found) else None

        ports = self.processes.wait_until(look, f"listeners {', '.join(names)}")
        self.processes.wait_until(lambda: self.ask_admin(admin, "/ready")[0] == 200, "readiness")
        return ports

    def start_sidecar(self):
        self.ports.update({default: 0 for default, _ in SERVICES.values()})
        self.ports[19001] = 0
        admin = self.start_proxy("sidecar", self.configure("sidecar.yaml"))
        found = self.listener_ports(admin, SERVICES)
        for name, (default, _) in SERVICES.items():
            self.ports[default] = found[name]

    def start_xds_server(self):
        for path in sorted((CONFIG / "xds").glob("*.yaml")):
            self.configure(f"xds/{path.name}")
        self.processes.start("xds_server", [
            self.arguments.build / "xds_server", "--listen",
            f"127.0.0.1:{self.arguments.xds_port}", "--address-path",
            self.run_dir / "xds.address", "--tls-cert", self.cert("xds.pem"), "--tls-key",
            self.cert("xds.key"), "--client-ca", self.cert("ca.pem"), self.run_dir / "xds"])
        self.ports[18000] = self.processes.wait_for_address(
            self.run_dir / "xds.address", "the management server")

    def start_edge(self):
        self.ports[19000] = self.start_proxy("edge", self.configure("bootstrap.yaml"))
        found = self.listener_ports(self.ports[19000], ("http", "https"))
        self.ports[10080], self.ports[10443] = found["http"], found["https"]

    def start(self):
        say(f"[run] folder {self.run_dir}")
        say("[run] certificates")
        self.make_certificates()
        say("[run] services catalog-v1, catalog-v2 (HTTP/1.1) and health (gRPC)")
        self.start_services()
        say("[run] sidecar: HTTP/2 with mutual TLS only")
        self.start_sidecar()
        say("[run] management server: files of xds/ over gRPC with mutual TLS")
        self.start_xds_server()
        say("[run] edge: sallyport -c bootstrap.yaml")
        self.start_edge()

    # ---- showing ----

    def examples(self):
        """Title, curl's options, data, what must be in the answer."""
        host = "shop.quickstart.test"
        http_url = f"http://127.0.0.1:{self.ports[10080]}"
        https_url = f"https://{host}:{self.ports[10443]}"
        secure = ["--cacert", str(self.cert("ca.pem")), "--resolve",
                  f"{host}:{self.ports[10443]}:127.0.0.1"]
        grpc = ["-H", "content-type: application/grpc", "-H", "te: trailers", "--data-binary",
                "@-", "-o", "/dev/null", "-D", "-"]
        health = "/grpc.health.v1.Health/Check"
        return [
            ("HTTP/1.1", ["-i", f"{http_url}/hello"], None, ["HTTP/1.1 200", "catalog-v1: GET"]),
            ("HTTP/2 over TLS", ["-i", "--http2", *secure, f"{https_url}/hello"], None,
             ["HTTP/2 200", "catalog-v1: GET"]),
            ("HTTP/1.1 over TLS", ["-i", "--http1.1", *secure, f"{https_url}/hello"], None,
             ["HTTP/1.1 200", "catalog-v1: GET"]),
            ("HTTP/2 with prior knowledge, a POST",
             ["-i", "--http2-prior-knowledge", "-d", "some data", f"{http_url}/order"], None,
             ["HTTP/2 200", "catalog-v1: POST"]),
            ("gRPC over TLS: a health check, status in the trailers",
             [*grpc, "--http2", *secure, f"{https_url}{health}"], GRPC_EMPTY,
             ["HTTP/2 200", "grpc-status: 0"]),
            ("a redirect by the edge", ["-i", f"{http_url}/old"], None,
             ["HTTP/1.1 301", "/new"]),
            ("a host that is not served", ["-i", "-H", "host: elsewhere.test", http_url], None,
             ["HTTP/1.1 404"]),
        ]

    def try_example(self, number, example):
        title, options, data, wanted = example
        shown = " ".join(f"'{word}'" if " " in word or ";" in word else word for word in options)
        say(f"\n{number}. {title}")
        prefix = "printf '\\0\\0\\0\\0\\0' | " if data is not None else ""
        say(f"   $ {prefix}curl {shown}")
        result = subprocess.run(["curl", "-sS", "--noproxy", "*", "--max-time", "10", *options],
                                input=data or b"", capture_output=True, check=False)
        text = (result.stdout + result.stderr).decode("utf-8", "replace")
        for line in text.splitlines():
            if line.strip():
                say(f"   {line.rstrip()}")
        missing = [part for part in wanted if part not in text]
        if result.returncode != 0 or missing:
            self.is_good = False
            say(f"   !! curl exit {result.returncode}; expected {missing}")

    def show_examples(self):
        say("\n=== requests through the edge, the sidecar and back ===")
        for number, example in enumerate(self.examples(), 1):
            self.try_example(number, example)

    def show_access_log(self):
        say("\n=== the edge's access log ===")
        log = self.run_dir / "access.log"
        wanted = len(self.examples())
        self.processes.wait_until(
            lambda: log.exists() and len(log.read_text().splitlines()) >= wanted,
            f"{wanted} lines in the access log")
        for line in log.read_text().splitlines()[-wanted:]:
            say(f"   {line}")

    def shift(self, canary):
        path = self.run_dir / "xds" / "routes.yaml"
        text = (CONFIG / "xds" / "routes.yaml").read_text(encoding="utf-8")
        text = text.replace("catalog-v1, weight: 100", f"catalog-v1, weight: {100 - canary}")
        text = text.replace("catalog-v2, weight: 0", f"catalog-v2, weight: {canary}")
        temporary = path.with_name(".routes.yaml.new")
        temporary.write_text(text, encoding="utf-8")
        temporary.rename(path)

    def show_canary(self):
        say("\n=== a canary: the management server shifts the weights while requests flow ===")
        load = Load(self.ports[10080])
        load.start()
        try:
            load.wait_for(REQUESTS_BEFORE, self.processes)
            before = load.take()
            say(f"   100/0   {before}")
            self.shift(10)
            load.wait_for_service("catalog-v2", self.processes)
            during = load.take()
            say(f"   shift   {during}")
            load.wait_for(REQUESTS_AFTER, self.processes)
            after = load.take()
            say(f"   90/10   {after}")
        finally:
            load.stop()
        failed = before.failed + during.failed + after.failed + load.take().failed
        say(f"   failed: {failed}")
        for text in load.failures[:5]:
            say(f"   !! {text}")
        share = after.share("catalog-v2")
        self.is_good = self.is_good and failed == 0 and before.share("catalog-v2") == 0
        # 1,000 draws at 10 %: the deviation is 0.95 %; this is beyond five of them.
        self.is_good = self.is_good and 0.05 < share < 0.15
        acks = [line for line in (self.run_dir / "xds_server.log").read_text().splitlines()
                if " rds " in line][-2:]
        for line in acks:
            say(f"   xds_server: {line}")

    def show_what_to_try(self):
        say(f"""
=== it is running ===
   edge            http://127.0.0.1:{self.ports[10080]}   https://127.0.0.1:{self.ports[10443]}
   edge's admin    http://127.0.0.1:{self.ports[19000]}  (/clusters /config_dump /stats)
   xDS files       {self.run_dir}/xds  (edit and save: the edge has it at once)
   logs            {self.run_dir}/*.log

   curl -i http://127.0.0.1:{self.ports[10080]}/hello
   curl -i --cacert {self.cert('ca.pem')} https://localhost:{self.ports[10443]}/hello
   printf '\\0\\0\\0\\0\\0' | curl --http2 --cacert {self.cert('ca.pem')} -D - -o /dev/null \\
     -H 'content-type: application/grpc' -H 'te: trailers' --data-binary @- \\
     https://localhost:{self.ports[10443]}/grpc.health.v1.Health/Check
   sed -i 's/weight: 90/weight: 50/; s/weight: 10}}/weight: 50}}/' {self.run_dir}/xds/routes.yaml

   Ctrl-C ends everything.""")

    def run(self):
        self.start()
        self.show_examples()
        self.show_access_log()
        self.show_canary()
        if not self.is_good:
            raise Failure("the tour did not go as it should; see the lines with !! above")
        if self.arguments.once:
            say("\n[run] all as it should be")
            return
        self.show_what_to_try()
        while True:
            self.processes.check()
            signal.sigtimedwait([], 0.5)


def interrupt(number, _frame):
    raise KeyboardInterrupt(signal.Signals(number).name)


def main():
    arguments = parse_arguments()
    if shutil.which("curl") is None:
        sys.exit("quickstart: curl is missing; run tools/setup")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    run_dir = pathlib.Path(tempfile.mkdtemp(prefix="sallyport-quickstart."))
    tour = Tour(arguments, run_dir)
    status = 1
    try:
        tour.run()
        status = 0
    except Failure as failure:
        say(f"quickstart: {failure}")
    except KeyboardInterrupt:
        say("\n[run] ending")
        status = 0 if tour.is_good and not arguments.once else 130
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        tour.processes.end()
        if status != 0 or arguments.keep:
            say(f"[run] logs are in {run_dir}")
        else:
            shutil.rmtree(run_dir, ignore_errors=True)
    os._exit(status)  # load threads that are still in a request must not hold the end


if __name__ == "__main__":
    main()
