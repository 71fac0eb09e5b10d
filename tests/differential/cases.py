# SPDX-License-Identifier: Apache-2.0
"""Cases as data: reads testdata/differential; the schema is in the README there."""

import copy
import pathlib
import re

import yaml

import programs
import tokens

FOLDER = programs.ROOT / "testdata" / "differential"
CASE_KEYS = {"title", "rows", "base", "hcm", "routes", "virtual_hosts", "route_config", "clusters",
             "listener", "filter_chains", "filters", "http_filters", "tls", "log", "origins",
             "steps", "stats", "ignore", "deviation", "differs", "bootstrap", "alone", "rejected",
             "text_log", "known", "keys", "jwks", "tokens", "xds",
             "files"}
STEP_KEYS = {"via", "method", "path", "host", "headers", "fields", "body", "chunks", "trailers",
             "on", "tls", "raw", "answers", "read", "wait", "pause", "then", "background",
             "expect_100", "version", "check_closed", "end_stream", "wait_background", "scheme",
             "admin", "keep", "sort", "shape", "text", "pick", "push", "listener", "reconnect",
             "await_stat", "write"}


class CaseError(Exception):
    """A case file that is not as the README says."""


def merge(under, over):
    """A deep merge: mappings are merged, everything else of `over` wins; None removes."""
    if not isinstance(under, dict) or not isinstance(over, dict):
        return copy.deepcopy(over)
    result = copy.deepcopy(under)
    for key, value in over.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


def expand(value):
    """A text of a case: a string, or pieces {repeat: text, times: n}, or a list of such."""
    if isinstance(value, dict) and set(value) == {"repeat", "times"}:
        return str(value["repeat"]) * int(value["times"])
    if isinstance(value, list):
        return "".join(expand(item) for item in value)
    return "" if value is None else str(value)


def fields_of(headers):
    """Headers of a case, a mapping or a list of pairs, as a list of pairs of strings."""
    pairs = headers.items() if isinstance(headers, dict) else (headers or [])
    result = []
    for name, value in pairs:
        for one in value if isinstance(value, list) else [value]:
            result.append((str(name), expand(one)))
    return result


class Case:
    def __init__(self, path):
        self.path = path
        self.section = path.parent.name
        self.id = f"{self.section}/{path.stem}"
        self.slug = re.sub(r"[^a-z0-9]+", "_", self.id)
        data = read(path)
        if "base" in data:
            data = merge(read(FOLDER / "bases" / f"{data['base']}.yaml"), data)
        unknown = set(data) - CASE_KEYS
        if unknown or not data.get("title") or not data.get("rows"):
            raise CaseError(f"{path}: unknown keys {sorted(unknown)}, or no title or rows")
        self.data = data
        self.rows = [str(row) for row in data["rows"]]
        self.steps = data.get("steps", [])
        self.secrets = tokens.variables(data)
        self.origins = data.get("origins", {"origin": {}})
        self.deviation = data.get("deviation")
        self.known = data.get("known")
        self.differs = data.get("differs", {})
        self.ignore = data.get("ignore", [])
        self.rejected = data.get("rejected", False)
        for step in self.steps:
            if set(step) - STEP_KEYS:
                raise CaseError(f"{path}: unknown in a step: {sorted(set(step) - STEP_KEYS)}")

    @property
    def parallel(self):
        """Steps run beside each other: what they cause comes in no fixed order."""
        return any(step.get("background") for step in self.steps)

    @property
    def alone(self):
        return bool(self.data.get("alone") or self.data.get("bootstrap") or self.rejected or
                    self.over_xds)

    @property
    def over_xds(self):
        return "xds" in self.data

    @property
    def cluster_names(self):
        return list(merge({name: {} for name in self.origins}, self.data.get("clusters", {})))

    def substitute(self, value, variables):
        """`@name` becomes the cluster's real name, `${name}` the variable's value."""
        if isinstance(value, dict):
            return {self.substitute(key, variables): self.substitute(item, variables)
                    for key, item in value.items()}
        if isinstance(value, list):
            return [self.substitute(item, variables) for item in value]
        if not isinstance(value, str):
            return value
        if value.startswith("@") and value[1:] in self.cluster_names:
            return self.cluster(value[1:])
        whole = re.fullmatch(r"\$\{([^}]+)\}", value)
        if whole:
            return variables[whole.group(1)]
        return re.sub(r"\$\{([a-z:_0-9-]+)\}", lambda found: str(variables[found.group(1)]), value)

    def cluster(self, name):
        return f"{self.slug}-{name}"


def read(path):
    return yaml.safe_load(path.read_text()) or {}


def load_all():
    return [Case(path) for path in sorted(FOLDER.glob("*/*.yaml")) if path.parent.name != "bases"]


def documented_deviations():
    """The ids in the first column of docs/deviations.md."""
    text = pathlib.Path(programs.ROOT / "docs" / "deviations.md").read_text()
    return set(re.findall(r"^\| `([a-z0-9-]+)` \|", text, re.MULTILINE))
