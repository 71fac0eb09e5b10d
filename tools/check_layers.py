#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The direction of dependencies, read from the includes.

LAYER          a folder includes one to its right
CYCLE          two folders of one level include each other
SINGLE_OWNER   a third-party header outside the one place that may know it
RELATIVE       a project header that is not named from the root
"""

import re

from source_files import ROOT, Findings, read, sources

LEVELS = [{"base"}, {"event", "stats"}, {"overload", "runtime"}, {"net"}, {"tls", "http"}, {"matcher"},
          {"config", "access_log"}, {"filter_chain"}, {"route", "upstream", "listener"},
          {"stream"}, {"admin"}, {"server"}]
LEVEL_OF = {folder: level for level, folders in enumerate(LEVELS) for folder in folders}

XDS_SEES = LEVEL_OF["filter_chain"]
FILTERS_SEE = {folder for folder, level in LEVEL_OF.items()
               if level <= LEVEL_OF["upstream"]} - {"listener"}

OWNERS = [
    (r"openssl/", r"src/tls/"),
    (r"nghttp2/", r"src/http/h2/"),
    (r"(grpc/|grpc\+\+/|grpcpp/)", r"(xds/transport/|tools/xds_server/)"),
    (r"ares(\.|_)", r"src/net/"),
    (r"re2/", r"src/matcher/"),
    (r"yaml\.h", r"(xds/|tools/xds_server/)"),
    (r"jansson\.h", r"(xds/|filters/http/jwt_authn/)"),
    (r"zlib\.h", r"(src/base/packed_bytes\.c|filters/)"),
    (r"protobuf-c/", r"(proto/|xds/|tools/xds_server/|filters/.*_config\.[ch])"),
]
GENERATED_PROTO = re.compile(r".*\.pb-c\.h$")
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.M)
GENERATED_HEADERS = {"sallyport_version.h"}


def unit_of(path):
    """What a path belongs to: a src folder, "xds", "proto", one filter's folder, or ""."""
    parts = path.split("/")
    if parts[0] == "src":
        return parts[1]
    if parts[0] == "filters":
        return "/".join(parts[:3])
    return parts[0] if parts[0] in ("xds", "proto") else ""


def is_allowed(user, used):
    if user == used or user == "":
        return True
    if user == "server":
        return True
    if user in LEVEL_OF:
        return used in LEVEL_OF and LEVEL_OF[used] <= LEVEL_OF[user]
    if user == "proto":
        return used == "base"
    if user == "xds":
        return used in ("proto", "route") or LEVEL_OF.get(used, len(LEVELS)) <= XDS_SEES
    return used == "proto" or used in FILTERS_SEE


def check_third_party(path, line, header, findings):
    for pattern, owner in OWNERS:
        if re.match(pattern, header) and not re.match(owner, str(path)):
            if not (str(path).startswith("tests/") or path.name.endswith("_test.c")):
                findings.add(path, line, "SINGLE_OWNER", f"<{header}> belongs to {owner}")


def main():
    findings, edges = Findings(), {}
    for path in sources(".c", ".h", ".cc"):
        text = read(path)
        for match in INCLUDE.finditer(text):
            quote, header = match.groups()
            line = text.count("\n", 0, match.start()) + 1
            if GENERATED_PROTO.match(header):
                check_third_party(path, line, "protobuf-c/" + header, findings)
                continue
            if quote == "<" or header in GENERATED_HEADERS:
                check_third_party(path, line, header, findings)
                continue
            if not (ROOT / header).exists():
                findings.add(path, line, "RELATIVE", f'"{header}" is not a path from the root')
                continue
            user, used = unit_of(str(path)), unit_of(header)
            is_test_support = path.name.endswith("_test.c") and header.startswith("tests/")
            if not is_allowed(user, used) and not is_test_support:
                findings.add(path, line, "LAYER", f"{user} must not see {header}")
            if user != used and not is_test_support:
                edges.setdefault((user, used), (path, line))
    for (user, used), (path, line) in sorted(edges.items()):
        if user < used and (used, user) in edges:
            other, other_line = edges[(used, user)]
            findings.add(path, line, "CYCLE", f"{user} and {used} include each other "
                                              f"(back at {other}:{other_line})")
    findings.finish()


if __name__ == "__main__":
    main()
