# SPDX-License-Identifier: Apache-2.0
"""Makes two outcomes comparable and says where they differ."""

import copy
import email.utils
import json
import os
import re
import socket

# The counters that a case compares which deviates; `stats` of it names more. All others compare whatever
# either side counted, but for what is ignored below. DIFFERENTIAL_STATS=all does so for those that
# deviate, too: what else differs there is read, not asserted.
STATS_NAMED = re.compile(
    r"^http\.<case>\.(downstream_rq_([1-5]xx|total|completed|timeout|idle_timeout|header_timeout|"
    r"max_duration_reached|too_large|ws_on_non_ws_route|non_relative_path|http\d_total|"
    r"failed_path_normalization|redirected_with_normalized_path)|"
    r"downstream_cx_(total|ssl_total|http\d_total)|no_route|no_cluster|rq_direct_response|"
    r"rq_redirect|http1\.dropped_headers_with_underscores)$|"
    r"^listener\.<case>\.(downstream_cx_total|ssl\.(handshake|no_certificate|fail_verify\w+|"
    r"versions\..*|ciphers\..*))$|"
    r"^tcp\.<case>\.(downstream_cx_total|downstream_cx_no_route|idle_timeout)$|"
    r"^cluster\.@[^.]+\.(upstream_rq_(total|completed|[1-5]xx|\d\d\d|timeout|per_try_timeout|"
    r"per_try_idle_timeout|retry|retry_success|retry_limit_exceeded|retry_overflow|"
    r"pending_overflow|maintenance_mode|max_duration_reached)|upstream_cx_(connect_fail|"
    r"connect_timeout|none_healthy|overflow|protocol_error|total)|lb_healthy_panic|"
    r"ssl\.(handshake|fail_verify\w+)|retry\.upstream_rq_\d\d\d)$")
STATS_IGNORED = re.compile("|".join((
    # Bytes, times, versions; what depends on who was first or when the snapshot was taken.
    r"_bytes_", r"_ms$", r"_time$", r"duration", r"\.version$", r"flow_control", r"bytes_processed",
    r"connections_accepted_per", r"expiration_unix_time", r"_active$", r"uptime",
    r"upstream_cx_destroy(_remote|_local)?$", r"update_attempt$", r"days_until",
    # What the bootstrap as a whole does, and whoever asks the admin interface.
    r"^cluster\.xds\.", r"^server\.", r"^runtime\.", r"^filesystem\.", r"admin\.", r"main_thread",
    r"^http\.async-client\.", r"worker_\d", r"watchdog",
    # Of Envoy's libraries and threads.
    r"nghttp2_", r"max_host_weight", r"warming_state", r"ssl_socket_factory", r"_lb\.(size|m)",
    # Two processes of discovery differ in how often they ask and tell; cases name what they compare.
    r"\.update_", r"\.membership_", r"assignment_",
    # Envoy keeps silent for that time, we send a FIN and read on (deviation `close-at-once`).
    r"delayed_close_timeout")))
UUID = re.compile(r"^[0-9a-f]{8}-[0-9a-f]{4}-([0-9a-f])[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$")


def own_address():
    """The address that Envoy puts into x-forwarded-for for peers on loopback: the machine's."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return sock.getsockname()[0]


OWN_ADDRESS = own_address()


def normalise_value(name, value):
    name = name.lower()
    if name == "x-forwarded-for":
        return re.sub(rf"(^|,){re.escape(OWN_ADDRESS)}$", r"\g<1>127.0.0.1", value)
    if name == "date" and email.utils.parsedate(value):
        return "<date>"
    if name == "x-envoy-upstream-service-time" and value.isdigit():
        return "<ms>"
    found = UUID.match(value)
    if found and name == "x-request-id":
        return f"<uuid, {found.group(1)}>"
    return value


def normalise_fields(fields):
    """Sorted by name; the order of those with one name stays."""
    found = [[name, normalise_value(name, value)] for name, value in fields]
    return sorted(found, key=lambda field: field[0].lower())


def replace_ports(value, names):
    """Ports by their names in all texts; other ports of loopback are the peers' own."""
    if isinstance(value, dict):
        return {key: replace_ports(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [replace_ports(item, names) for item in value]
    if isinstance(value, int) and str(value) in names:
        return names[str(value)]
    if not isinstance(value, str):
        return value
    value = re.sub(r"127\.0\.0\.1:(\d+)",
                   lambda found: "127.0.0.1:" + names.get(found.group(1), "<port>"), value)
    return names.get(value, value)


def chosen_stats(stats, case):
    chosen = {}
    is_all = not case.deviation or os.environ.get("DIFFERENTIAL_STATS") == "all"
    for name, value in stats.items():
        name = name.replace(case.slug + "-", "@").replace(case.slug, "<case>")
        is_asked = any(matches(name, pattern) for pattern in case.data.get("stats", ()))
        if (is_all and not STATS_IGNORED.search(name)) or is_asked or STATS_NAMED.search(name):
            chosen[name] = value
    return chosen


def normalise(outcome, case):
    outcome = copy.deepcopy(outcome)
    if "refused" in outcome:
        return {"refused": True}
    outcome = replace_ports(outcome, outcome.pop("ports"))
    for step in outcome["client"]:
        if "headers" in step:
            step["headers"] = normalise_fields(step["headers"])
        for message in step.get("responses", []):
            for key in ("headers", "trailers"):
                if message.get(key) is not None:
                    message[key] = normalise_fields(message[key])
        # Bytes unread at a close make it a reset: which of them is a matter of who was first.
        if step.get("end") == "reset":
            step["end"] = "closed"
    for requests in outcome["origins"].values():
        for message in requests:
            message["headers"] = without_own_address(message.get("headers", []))
            for key in ("headers", "trailers"):
                if key in message:
                    message[key] = normalise_fields(message[key])
            normalise_check(message.get("check", {}).get("attributes", {}))
        if case.parallel:
            requests.sort(key=lambda message: json.dumps(message, sort_keys=True))
    if case.parallel:
        outcome["log"].sort(key=lambda line: json.dumps(line, sort_keys=True))
    for line in outcome["log"]:
        if isinstance(line, dict):
            for key, value in line.items():
                if key.startswith("kind_of_"):
                    line[key] = type(value).__name__
                elif isinstance(value, str):
                    line[key] = normalise_value(key.replace("_", "-"), value)
    outcome["stats"] = chosen_stats(outcome["stats"], case)
    return outcome


def without_own_address(fields):
    """Envoy says in requests of its own which machine it is (deviation `own-requests`). What it
    proxies says how it came, too."""
    if ["x-envoy-internal", "true"] not in fields or \
            any(name == "x-forwarded-proto" for name, _ in fields):
        return fields
    return [field for field in fields if field != ["x-forwarded-for", OWN_ADDRESS]]


def normalise_check(attributes):
    """A CheckRequest: the client's address and the headers, as for requests."""
    address = attributes.get("source", {}).get("address", {}).get("socket_address", {})
    if "address" in address:
        address["address"] = normalise_value("x-forwarded-for", address["address"])
    http = attributes.get("request", {}).get("http", {})
    if "headers" in http:
        http["headers"] = normalise_fields(http["headers"])


def walk(envoy, ours, path, found):
    if isinstance(envoy, dict) and isinstance(ours, dict):
        for key in sorted(set(envoy) | set(ours)):
            walk(envoy.get(key), ours.get(key), f"{path}.{key}" if path else key, found)
    elif is_fields(envoy) and is_fields(ours):
        walk(by_name(envoy), by_name(ours), path, found)
    elif isinstance(envoy, list) and isinstance(ours, list) and len(envoy) == len(ours):
        for index, (left, right) in enumerate(zip(envoy, ours)):
            walk(left, right, f"{path}[{index}]", found)
    elif envoy != ours:
        found[path] = {"envoy": envoy, "ours": ours}


def is_fields(value):
    return isinstance(value, list) and value and all(
        isinstance(item, list) and len(item) == 2 and isinstance(item[0], str) for item in value)


def by_name(fields):
    """Field names as they are on the wire, each with its values in order."""
    result = {}
    for name, value in fields:
        result.setdefault(name, []).append(value)
    return {name: value if len(value) > 1 else value[0] for name, value in result.items()}


def matches(path, pattern):
    """Patterns are paths where `*` stands for anything; what lies below is meant as well."""
    expression = ".*".join(re.escape(piece) for piece in pattern.split("*"))
    return re.match(expression + r"($|[.\[])", path) is not None


def differences(envoy, ours, case):
    """{path: {envoy, ours}} but for what the case ignores."""
    found = {}
    walk(normalise(envoy, case), normalise(ours, case), "", found)
    if "refused" in envoy and not case.rejected:
        found["refused by Envoy"] = {"envoy": envoy["refused"][-1500:], "ours": ""}
    if "refused" in ours and not case.rejected:
        found["refused by us"] = {"envoy": "", "ours": ours["refused"][-1500:]}
    return {path: pair for path, pair in found.items()
            if not any(matches(path, pattern) for pattern in case.ignore)}


def describe(found):
    return "\n".join(f"{path}\n    Envoy: {json.dumps(pair['envoy'])}\n    ours:  "
                     f"{json.dumps(pair['ours'])}" for path, pair in found.items())


def check_deviation(found, case):
    """What is wrong with the differences of a case that is to deviate; empty if nothing is."""
    problems = []
    for pattern, expected in case.differs.items():
        pairs = [pair for path, pair in found.items() if matches(path, pattern)]
        if not pairs:
            problems.append(f"{pattern} does not differ, the case says it does")
        elif expected != "any" and expected not in pairs:
            problems.append(f"{pattern} differs in another way: {json.dumps(pairs)}, "
                            f"not {json.dumps(expected)}")
    rest = {path: pair for path, pair in found.items()
            if not any(matches(path, pattern) for pattern in case.differs)}
    if not case.differs:
        problems.append("a deviation needs `differs`")
    return "\n".join(problems + ([describe(rest)] if rest else []))


def has_content(outcome):
    """False if there was nothing to compare: such a case proves nothing."""
    return "refused" in outcome or any(
        step.get("responses") or step.get("bytes") or len(step) > 0 for step in outcome["client"])
