# SPDX-License-Identifier: Apache-2.0
"""Runs cases on both proxies: many in one process each, a listener and recorders per case."""

import concurrent.futures
import json
import time

import pytest

import admin_steps
import bootstrap
import cases
import client
import management
import origin
import programs

CASES_AT_ONCE = 8
ALONE_AT_ONCE = 2
LOG_SECONDS = 4
SETTLE_SECONDS = 0.2
STAT_SECONDS = 6
SIDES = ("envoy", "ours")


class StartFailure(Exception):
    """The proxy refused the configuration or ended while it served."""


class Side:
    """One proxy process and the recorders of a group of cases."""

    def __init__(self, name, group, folder, certs):
        self.name, self.group, self.folder, self.certs = name, group, folder, certs
        self.folder.mkdir(parents=True)
        self.runner = programs.Runner(folder)
        self.origins = {case.id: {
            key: origin.Origin(case.substitute(spec or {}, case.secrets), certs)
            for key, spec in case.origins.items()} for case in group}
        self.proxy = self.management = None
        self.ports = {}  # of listeners, all that were seen

    def variables(self, case):
        ports = {f"port:{name}": one.port for name, one in self.origins[case.id].items()}
        return dict(ports, **case.secrets, certs=str(self.certs.folder), slug=case.slug, folder=str(self.folder))

    def log_path(self, case):
        return self.folder / f"{case.slug}.log"

    def config(self):
        case = self.group[0]
        if not case.over_xds:
            return bootstrap.build(self.group, self.variables, self.log_path)
        self.management = management.Server()
        self.management.fill(self.xds_world(case, bootstrap.first_world(case)))
        return cases.merge(bootstrap.xds_bootstrap(case, self.management.port), case.substitute(
            case.data.get("bootstrap", {}), self.variables(case)))

    def xds_world(self, case, changes):
        return case.substitute(bootstrap.xds_world(case, changes, self.log_path(case)),
                               self.variables(case))

    def start(self):
        for case in self.group:
            self.write(case.data.get("files", {}))
        config = self.config()
        options = ["--concurrency", "1", "--file-flush-interval-msec", "50"]
        binary = programs.envoy_binary()
        if self.name == "ours":
            binary = programs.proxy_binary()
            options += ["--defaults", "envoy"]
        try:
            self.proxy = self.runner.proxy(binary, config, *options)
            self.see_ports()
        except pytest.fail.Exception as error:
            raise StartFailure(str(error)) from None

    def see_ports(self):
        self.ports.update({name: address[1] for name, address in self.proxy.listeners().items()})

    def port(self, case, name):
        if case.over_xds:
            self.see_ports()
        return self.ports[bootstrap.xds_name(case, "listeners", name)]

    def write(self, files):
        """As whoever feeds a watched file does: renamed into place."""
        for name, text in files.items():
            new = self.folder / f"{name}.new"
            new.parent.mkdir(parents=True, exist_ok=True)
            new.write_text(str(text))
            new.rename(self.folder / name)

    def control(self, case, step, result):
        """Steps that are no traffic: changes of files and over xDS, waiting for their effect, admin."""
        self.write(step.get("write", {}))
        if "push" in step:
            result["push"] = self.management.push(self.xds_world(case, step["push"]))
            self.settle()
        if "reconnect" in step:
            result["reconnected"] = self.management.reconnect()
        for name, value in step.get("await_stat", {}).items():
            reached = self.await_stat(case.substitute(name, self.variables(case)), value)
            result.setdefault("reached", {})[name] = reached
        if "admin" in step:
            names = {str(self.folder): "<folder>", case.slug: "<case>"}
            result.update(admin_steps.run(self.proxy.admin, step, names))

    def settle(self):
        """Until nothing warms; then what was changed is on its way to the workers."""
        for name in ("listener_manager.total_listeners_warming",
                     "cluster_manager.warming_clusters"):
            self.await_stat(name, 0)
        time.sleep(SETTLE_SECONDS)

    def await_stat(self, name, value):
        deadline = time.monotonic() + STAT_SECONDS
        while self.proxy.stat(name) != value:
            if time.monotonic() > deadline:
                return f"{self.proxy.stat(name)}, not {value}"
            time.sleep(0.02)
        return value

    def run_case(self, case):
        return client.Client(case, self).run()

    def collect(self, case, stats, seen):
        wanted = (f"http.{case.slug}.", f"cluster.{case.slug}-", f"listener.{case.slug}.",
                  f"tcp.{case.slug}.", f"{case.slug}.")
        if case.alone:
            wanted = ("",)
        recorded = {name: one.requests for name, one in self.origins[case.id].items()}
        outcome = {"client": seen, "origins": recorded, "log": read_log(self.log_path(case)),
                "stats": {name: value for name, value in stats.items() if name.startswith(wanted)},
                "ports": self.port_names(case)}
        if self.management:
            outcome["subscriptions"] = self.management.subscriptions()
        return outcome

    def port_names(self, case):
        names = {str(port): f"<listener{name[len(case.slug):]}>"
                 for name, port in self.ports.items() if name.startswith(case.slug)}
        names[str(self.proxy.admin[1])] = "<admin>"
        for name, one in self.origins[case.id].items():
            names[str(one.port)] = f"<{name}>"
        return names

    def wait_for_logs(self):
        """Until no log has grown for some time: what is to be logged was done before."""
        sizes, since = None, time.monotonic()
        deadline = time.monotonic() + LOG_SECONDS
        while time.monotonic() < min(deadline, since + 0.5):
            now = [path.stat().st_size for path in self.folder.glob("*.log")]
            if now != sizes:
                sizes, since = now, time.monotonic()
            time.sleep(0.02)

    def read_stats(self):
        stats = {}
        for line in self.proxy.get_admin("/stats")[1].splitlines():
            name, _, value = line.partition(": ")
            if value.isdigit() and value != "0":
                stats[name] = int(value)
        return stats

    def stop(self):
        self.runner.stop_all()
        if self.management:
            self.management.close()
        for recorders in self.origins.values():
            for one in recorders.values():
                one.close()


def read_log(path):
    """JSON objects where the lines are such."""
    lines = []
    if path.exists():
        for line in path.read_text(errors="replace").splitlines():
            try:
                lines.append(json.loads(line))
            except ValueError:
                lines.append(line)
    return lines


def run_group(group, folder, certs, name):
    """The outcomes of the cases on one proxy; StartFailure if it did not stay up."""
    side = Side(name, group, folder, certs)
    try:
        side.start()
        with concurrent.futures.ThreadPoolExecutor(CASES_AT_ONCE) as pool:
            seen = list(pool.map(side.run_case, group))
        side.wait_for_logs()
        if side.proxy.returncode is not None:
            raise StartFailure(side.proxy.describe())
        stats = side.read_stats()
        return {case.id: side.collect(case, stats, one) for case, one in zip(group, seen)}
    finally:
        side.stop()


def run_side(group, folder, certs, name):
    """Like run_group; a group that fails is halved until the culprit stands alone."""
    try:
        return run_group(group, folder, certs, name)
    except StartFailure as error:
        if len(group) == 1:
            return {group[0].id: {"refused": str(error)}}
    middle = len(group) // 2
    left = run_side(group[:middle], folder / "l", certs, name)
    return {**left, **run_side(group[middle:], folder / "r", certs, name)}


def run_all(selected, folder, certs):
    """{case id: [envoy's outcome, ours]}: all that need no process of their own go together."""
    together = [case for case in selected if not case.alone]
    outcomes = [{}, {}]

    def run_both(numbered):
        number, group = numbered
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            futures = [pool.submit(run_side, group, folder / f"{name}-{number}", certs, name)
                       for name in SIDES]
            for outcome, future in zip(outcomes, futures):
                outcome.update(future.result())

    if together:
        run_both((0, together))
    alone = [[case] for case in selected if case.alone]
    with concurrent.futures.ThreadPoolExecutor(ALONE_AT_ONCE) as pool:
        list(pool.map(run_both, enumerate(alone, 1)))
    return {case.id: [outcome[case.id] for outcome in outcomes] for case in selected}
