# SPDX-License-Identifier: Apache-2.0
"""Runs cases on both proxies: many in one process each, a listener and recorders per case."""

import concurrent.futures
import json
import time

import pytest

import bootstrap
import client
import origin
import programs

CASES_AT_ONCE = 8
LOG_SECONDS = 4
SIDES = ("envoy", "ours")


class StartFailure(Exception):
    """The proxy refused the configuration or ended while it served."""


class Side:
    """One proxy process and the recorders of a group of cases."""

    def __init__(self, name, group, folder, certs):
        self.name, self.group, self.folder, self.certs = name, group, folder, certs
        self.folder.mkdir(parents=True)
        self.runner = programs.Runner(folder)
        self.origins = {case.id: {key: origin.Origin(spec or {}, certs)
                                  for key, spec in case.origins.items()} for case in group}
        self.proxy = None

    def variables(self, case):
        ports = {f"port:{name}": one.port for name, one in self.origins[case.id].items()}
        return dict(ports, certs=str(self.certs.folder), slug=case.slug, folder=str(self.folder))

    def log_path(self, case):
        return self.folder / f"{case.slug}.log"

    def start(self):
        config = bootstrap.build(self.group, self.variables, self.log_path)
        options = ["--concurrency", "1", "--file-flush-interval-msec", "50"]
        binary = programs.envoy_binary()
        if self.name == "ours":
            binary = programs.proxy_binary()
            options += ["--defaults", "envoy"]
        try:
            self.proxy = self.runner.proxy(binary, config, *options)
            self.ports = {name: address[1] for name, address in self.proxy.listeners().items()}
        except pytest.fail.Exception as error:
            raise StartFailure(str(error)) from None

    def run_case(self, case):
        steps = client.Client(case, self.ports[case.slug], self.certs, self.variables(case))
        return steps.run()

    def collect(self, case, stats, seen):
        wanted = (f"http.{case.slug}.", f"cluster.{case.slug}-", f"listener.{case.slug}.",
                  f"tcp.{case.slug}.")
        recorded = {name: one.requests for name, one in self.origins[case.id].items()}
        return {"client": seen, "origins": recorded, "log": read_log(self.log_path(case)),
                "stats": {name: value for name, value in stats.items() if name.startswith(wanted)},
                "ports": self.port_names(case)}

    def port_names(self, case):
        names = {str(self.ports[case.slug]): "<listener>"}
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
    groups = [[case for case in selected if not case.alone]]
    groups += [[case] for case in selected if case.alone]
    outcomes = [{}, {}]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for number, group in enumerate(group for group in groups if group):
            futures = [pool.submit(run_side, group, folder / f"{name}-{number}", certs, name)
                       for name in SIDES]
            for outcome, future in zip(outcomes, futures):
                outcome.update(future.result())
    return {case.id: [outcome[case.id] for outcome in outcomes] for case in selected}
