# SPDX-License-Identifier: Apache-2.0
"""Running the programs: start, wait until ready by asking (never by sleeping a guessed time), end."""

import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
READY_SECONDS = 60 if os.environ.get("SALLYPORT_SLOW") else 30


def build_dir():
    return pathlib.Path(os.environ.get("SALLYPORT_BUILD", ROOT / "build" / "release"))


def envoy_binary():
    import envoy  # pylint: disable=import-outside-toplevel

    folder = pathlib.Path(list(envoy.__path__)[0]) / "_bin"
    found = sorted(folder.glob("envoy*"))
    assert found, f"no Envoy in {folder}"
    return str(found[0])


def proxy_binary():
    chosen = os.environ.get("PROXY_BIN") or os.environ.get("SALLYPORT_BIN")
    if chosen == "envoy":
        return envoy_binary()
    return chosen or str(build_dir() / "sallyport")


def xds_server_binary():
    return os.environ.get("XDS_SERVER_BIN") or str(build_dir() / "xds_server")


def wait_until(condition, what, seconds=READY_SECONDS):
    """The condition's first true result; fails the test, naming `what`, at the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(0.01)


class Program:
    """A process whose output goes to a file."""

    def __init__(self, command, log_path, env=None, stdin=None, cwd=None):
        self.command = [str(word) for word in command]
        self.log_path = log_path
        self.log_file = open(log_path, "wb")  # pylint: disable=consider-using-with
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            self.command, stdout=self.log_file, stderr=subprocess.STDOUT, stdin=stdin or
            subprocess.DEVNULL, env=env, cwd=cwd)

    @property
    def log(self):
        return self.log_path.read_text(errors="replace")

    @property
    def returncode(self):
        return self.process.poll()

    def describe(self):
        return f"{' '.join(self.command)} (exit {self.returncode})\n{self.log[-4000:]}"

    def check_alive(self):
        if self.returncode is not None:
            pytest.fail(f"ended early: {self.describe()}")
        return True

    def wait_for_log(self, text, seconds=READY_SECONDS, count=1, after=0):
        wait_until(lambda: self.log[after:].count(text) >= count or
                   (self.returncode is not None and self.check_alive() and False),
                   lambda: f"{text!r} {count}x in the log of {self.describe()}", seconds)

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, seconds=READY_SECONDS):
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            pytest.fail(f"still running after {seconds} s: {self.describe()}")

    def stop(self):
        if self.returncode is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(2)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.process.stdin:
            self.process.stdin.close()
        self.log_file.close()


class Proxy(Program):
    """A running proxy; `admin` is its address, listeners are asked for by name."""

    admin = None

    def get_admin(self, path, method="GET"):
        connection = http.client.HTTPConnection(*self.admin, timeout=READY_SECONDS)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def is_live(self):
        try:
            return self.get_admin("/ready")[0] == 200
        except OSError:
            self.check_alive()
            return False

    def listeners(self):
        found = {}
        for listener in json.loads(self.get_admin("/listeners?format=json")[1]).get(
                "listener_statuses", []):
            address = listener["local_address"]
            if "socket_address" in address:
                found[listener["name"]] = (address["socket_address"]["address"],
                                           address["socket_address"]["port_value"])
        return found

    def port(self, name="main"):
        return wait_until(lambda: self.listeners().get(name),
                          lambda: f"listener {name} of {self.describe()}")[1]

    def stat(self, name):
        """The counter's or gauge's value; 0 where it is not there (yet)."""
        for line in self.get_admin("/stats")[1].splitlines():
            key, _, value = line.partition(": ")
            if key == name:
                return int(value)
        return 0

    def wait_stat(self, name, value, seconds=READY_SECONDS):
        wait_until(lambda: self.stat(name) >= value,
                   lambda: f"{name} >= {value}, it is {self.stat(name)}\n{self.describe()}",
                   seconds)


class XdsServer(Program):
    """tools/xds_server over a folder that the test writes to."""

    folder = None
    address = None

    @property
    def port(self):
        return int(self.address.rpartition(":")[2])

    def write(self, name, resources):
        """Puts a file of resources in place at once; JSON, which YAML readers take as well."""
        path = self.folder / name
        temporary = self.folder / f".{name}.new"
        temporary.write_text(json.dumps({"resources": resources}))
        temporary.rename(path)

    def remove(self, name):
        (self.folder / name).unlink()


class Runner:
    """Starts programs in a test's folder and ends them with it."""

    def __init__(self, tmp_path):
        self.tmp_path = tmp_path
        self.programs = []

    def start(self, command, kind=Program, **options):
        name = f"{len(self.programs)}-{pathlib.Path(str(command[0])).name}.log"
        program = kind(command, self.tmp_path / name, **options)
        self.programs.append(program)
        return program

    def proxy(self, binary, bootstrap, *options, wait=True, **more):
        number = len(self.programs)
        admin_path = self.tmp_path / f"admin-{number}"
        config = dict(bootstrap)
        config.setdefault("admin", {"address": {"socket_address": {
            "address": "127.0.0.1", "port_value": 0}}})
        config_path = self.tmp_path / f"bootstrap-{number}.json"
        config_path.write_text(json.dumps(config))
        if not os.access(binary, os.X_OK):
            pytest.skip(f"{binary} is not there")
        command = [binary, "-c", config_path, "--admin-address-path", admin_path,
                   "--disable-hot-restart"]
        if "--concurrency" not in options:
            command += ["--concurrency", "2"]
        program = self.start(command + list(options), kind=Proxy, **more)
        if wait:
            wait_until(lambda: (admin_path.exists() and admin_path.read_text()) or
                       not program.check_alive(), lambda: f"admin address: {program.describe()}")
            host, _, port = admin_path.read_text().strip().rpartition(":")
            program.admin = (host, int(port))
            wait_until(program.is_live, lambda: f"ready: {program.describe()}")
        return program

    def xds_server(self, folder, *options):
        if not os.access(xds_server_binary(), os.X_OK):
            pytest.skip(f"{xds_server_binary()} is not there")
        folder.mkdir(exist_ok=True)
        address_path = self.tmp_path / f"xds-address-{len(self.programs)}"
        if "--listen" not in options:
            options = ("--listen", "127.0.0.1:0") + options
        server = self.start([xds_server_binary(), "--address-path", address_path, *options, folder],
                            kind=XdsServer)
        server.folder = folder
        wait_until(lambda: address_path.exists() or not server.check_alive(),
                   lambda: f"address: {server.describe()}")
        server.address = address_path.read_text()
        return server

    def stop_all(self):
        for program in reversed(self.programs):
            program.stop()


class Answer:
    def __init__(self, status, headers, body, raw):
        self.status, self.headers, self.body, self.raw = status, headers, body, raw

    def json(self):
        return json.loads(self.body)


class Curl:
    """One request by curl; raises where curl says that the transfer failed."""

    def __init__(self, binary):
        self.binary = binary

    def __call__(self, url, *options, check=True, data=None):
        result = subprocess.run(
            [self.binary, "-sS", "-i", "--max-time", "20", "--noproxy", "*", *options, url],
            input=data, capture_output=True, check=False, timeout=30)
        if check and result.returncode != 0:
            pytest.fail(f"curl {url}: exit {result.returncode}: {result.stderr.decode()}")
        if not check and result.returncode != 0:
            return Answer(0, {}, b"", result)
        return self.parse(result)

    @staticmethod
    def parse(result):
        rest, status, headers = result.stdout, 100, {}
        while 100 <= status < 200 and status != 101:
            head, _, rest = rest.partition(b"\r\n\r\n")
            lines = head.decode("latin1").split("\r\n")
            status = int(lines[0].split(" ")[1])
            headers = {}
            for line in lines[1:]:
                name, _, value = line.partition(":")
                headers.setdefault(name.lower(), []).append(value.strip())
        return Answer(status, {name: ", ".join(values) for name, values in headers.items()},
                      rest.decode("latin1"), result)


def connect(port, timeout=20):
    return socket.create_connection(("127.0.0.1", port), timeout=timeout)
