# SPDX-License-Identifier: Apache-2.0
"""Right resources with wrong bytes, by the ten thousand: tests/mutation/mutate_resources.c says what
must hold. The right ones are those of the differential cases, so that each field that a case uses is
mutated here. The length of the run is taken from the environment: SALLYPORT_MUTATION_SECONDS, or
SALLYPORT_MUTATIONS for a number of mutants.
"""

import collections
import json
import os
import pathlib
import subprocess
import sys

import pytest

import config
import programs

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "differential"))

import bootstrap  # noqa: E402  pylint: disable=wrong-import-position
import cases  # noqa: E402  pylint: disable=wrong-import-position

PROGRAM = programs.build_dir() / "tests" / "mutate_resources"
SECONDS = os.environ.get("SALLYPORT_MUTATION_SECONDS", "8")
COUNT = os.environ.get("SALLYPORT_MUTATIONS")


class Corpus:
    """Writes each resource once."""

    def __init__(self, folder):
        self.folder, self.seeds = folder, collections.Counter()
        self.seen = set()

    def write(self, kind, name, resource):
        (self.folder / kind).mkdir(parents=True, exist_ok=True)
        (self.folder / kind / f"{name}.json").write_text(json.dumps(resource))

    def seed(self, kind, resource):
        resource = without_paths(resource)
        key = "cluster_name" if kind == "EDS" else "name"
        text = json.dumps({**resource, key: "mutant"}, sort_keys=True)
        if (kind, text) not in self.seen:
            self.seen.add((kind, text))
            self.seeds[kind] += 1
            self.write(kind, f"seed-{self.seeds[kind]:03}", json.loads(text))


def without_paths(value):
    """Access logs go to stdout: a mutant's path is opened, and could be any file."""
    if isinstance(value, list):
        return [without_paths(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("@type", "").endswith(".FileAccessLog"):
        value = {key: item for key, item in value.items() if key != "path"}
        value["@type"] = config.TYPE + "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog"
    return {key: without_paths(item) for key, item in value.items()}


def add_case(corpus, case, certs):
    variables = collections.defaultdict(lambda: 1, case.secrets, certs=str(certs.folder),
                                        slug=case.slug, folder="/nowhere")
    world = {"listeners": [bootstrap.listener(case, "/dev/null")],
             "routes": [bootstrap.route_config(case)],
             "clusters": [bootstrap.cluster(case, name) for name in case.cluster_names]}
    if case.over_xds:
        for push in [case.data["xds"].get("first", {})] + [
                step["push"] for step in case.steps if "push" in step]:
            for kind, resources in bootstrap.xds_world(case, push, "/dev/null").items():
                world.setdefault(kind, []).extend(filter(None, resources.values()))
    for kind, short in (("listeners", "LDS"), ("routes", "RDS"), ("clusters", "CDS"),
                        ("endpoints", "EDS"), ("secrets", "SDS")):
        for resource in world.get(kind, ()):
            resource = case.substitute(resource, variables)
            corpus.seed(short, resource)
            if "load_assignment" in resource:
                corpus.seed("EDS", resource["load_assignment"])


def add_secrets(corpus, certs):
    pair = config.inline(certs.cert("edge"), certs.key("edge"))
    ca = {"inline_string": pathlib.Path(certs.ca).read_text()}
    corpus.seed("SDS", {"tls_certificate": pair})
    corpus.seed("SDS", {"validation_context": {
        "trusted_ca": ca, "match_typed_subject_alt_names": [config.san("DNS", "a.test")],
        "verify_certificate_hash": ["ab" * 32]}})
    corpus.seed("SDS", {"session_ticket_keys": {"keys": [{"inline_bytes": "A" * 107 + "="}]}})
    corpus.seed("SDS", {"generic_secret": {"secret": {"inline_string": "secret"}}})
    corpus.write("SDS", "good", {"name": "mutant", "tls_certificate": pair})
    for version, name in (("a", "edge"), ("b", "edge-two")):
        corpus.write("SDS", f"neighbour-{version}", {
            "name": "neighbour",
            "tls_certificate": config.inline(certs.cert(name), certs.key(name))})


def user(name):
    """A listener by which routes and a secret of that name are subscribed to."""
    tls = {"common_tls_context": {"tls_certificate_sds_secret_configs": [
        {"name": name, "sds_config": config.ADS}]}}
    return config.listener(config.manager(rds=name), name=f"user-of-{name}", tls=tls)


def rich_assignment():
    """Localities, priorities, weights, health, metadata: more than the cases use."""
    def endpoint(port, **more):
        return {"endpoint": {"address": config.address(port), "hostname": f"h{port}.test",
                             "health_check_config": {"port_value": 9}}, **more}
    return {"cluster_name": "mutant", "endpoints": [
        {"locality": {"region": "r", "zone": "z", "sub_zone": str(number)}, "priority": number,
         "load_balancing_weight": 3, "lb_endpoints": [
             endpoint(1, health_status="DEGRADED", load_balancing_weight=2),
             endpoint(2, metadata={"filter_metadata": {"envoy.lb": {"a": [1, True, {"b": "c"}]}}})]}
        for number in range(3)], "named_endpoints": {"n": {"address": config.address(3)}},
        "policy": {"overprovisioning_factor": 150, "endpoint_stale_after": "3s",
                   "drop_overloads": [{"category": "c", "drop_percentage": {"numerator": 5}}]}}


def add_world(corpus):
    """What makes the client ask for "mutant" and "neighbour" of every type, and these themselves."""
    for name in ("mutant", "neighbour"):
        corpus.write("LDS", f"keep-{name}", user(name))
        cluster = config.eds_cluster(f"user-of-{name}")
        cluster["eds_cluster_config"]["service_name"] = name
        corpus.write("CDS", f"keep-{name}", cluster)
    corpus.seed("EDS", rich_assignment())
    for version, name, number in (("good", "mutant", 1), ("neighbour-a", "neighbour", 1),
                                  ("neighbour-b", "neighbour", 2)):
        host = config.virtual_host(config.to(f"up-{number}"))
        corpus.write("LDS", version, config.listener(config.manager(host), name=name))
        corpus.write("RDS", version, config.routes(name, host))
        corpus.write("CDS", version, config.cluster(name, number))
        corpus.write("EDS", version, config.assignment(name, number))


@pytest.fixture
def corpus(tmp_path, certs):
    made = Corpus(tmp_path / "corpus")
    for case in cases.load_all():
        if not case.rejected:
            add_case(made, case, certs)
    add_secrets(made, certs)
    add_world(made)
    return made


def test_refused_by_name_and_the_last_good_one_stays(corpus):
    length = ["--count", COUNT] if COUNT else ["--seconds", SECONDS]
    result = subprocess.run([PROGRAM, corpus.folder, *length], capture_output=True, text=True,
                            timeout=3600 if COUNT else 300, check=False)
    print(result.stdout)
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-4000:]
    assert all(corpus.seeds[kind] >= 4 for kind in ("LDS", "RDS", "CDS", "EDS", "SDS"))
