#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Documents that are tied to the code:

STAGES         docs/life_of_a_request.md has one heading for each stage of STREAM_STAGES, in order
COMPATIBILITY  docs/compatibility.md is what `sallyport compat --doc` prints
MAN            docs/man/sallyport.8 has the options of `sallyport --help`, all of them and no others

  check_docs.py ROOT stages
  check_docs.py ROOT compatibility BINARY
  check_docs.py ROOT man BINARY
"""

import difflib
import pathlib
import re
import subprocess
import sys


def check_stages(root):
    header = (root / "src/access_log/stream_info.h").read_text()
    stages_list = header[header.index("#define STREAM_STAGES"):header.index("enum stream_stage")]
    stages = re.findall(r"X\((\w+), \"", stages_list)
    headings = re.findall(r"^## (\w+)$", (root / "docs/life_of_a_request.md").read_text(), re.M)
    if stages == headings:
        return []
    return [f"docs/life_of_a_request.md: STAGES: {headings} instead of {stages}"]


def check_compatibility(root, binary):
    path = root / "docs/compatibility.md"
    printed = subprocess.run([binary, "compat", "--doc"], check=True, text=True,
                             capture_output=True).stdout
    written = path.read_text() if path.exists() else ""
    diff = list(difflib.unified_diff(written.splitlines(), printed.splitlines(), "docs", "binary",
                                     lineterm="", n=0))
    return [f"docs/compatibility.md: COMPATIBILITY: {line}" for line in diff[:20]]


def check_man(root, binary):
    page = (root / "docs/man/sallyport.8").read_text().replace("\\-", "-")
    described = set(re.findall(r"--[a-z][a-z_-]*", page))
    printed = subprocess.run([binary, "--help"], check=True, text=True, capture_output=True).stdout
    offered = set(re.findall(r"^ +(?:-[^ ]+, +)?(--[a-z][a-z_-]*)", printed, re.M))
    return [f"docs/man/sallyport.8: MAN: {name} is missing" for name in sorted(offered - described)
            ] + [f"docs/man/sallyport.8: MAN: {name} is no option"
                 for name in sorted(described - offered)]


def main():
    root = pathlib.Path(sys.argv[1])
    checks = {"stages": check_stages, "compatibility": check_compatibility, "man": check_man}
    findings = checks[sys.argv[2]](root, *sys.argv[3:])
    print("\n".join(findings + [f"{len(findings)} findings"]))
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
