#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Documents that are tied to the code:

NAMES          the files and functions that docs/life_of_a_request.md names exist
COMPATIBILITY  docs/compatibility.md is what `sallyport compat --doc` prints
MAN            docs/man/sallyport.8 has the options of `sallyport --help`, all of them and no others

  check_docs.py ROOT names
  check_docs.py ROOT compatibility BINARY
  check_docs.py ROOT man BINARY
"""

import difflib
import pathlib
import re
import subprocess
import sys


def check_names(root):
    sources = [path for folder in ("src", "filters", "xds") for path in (root / folder).rglob("*.[ch]")]
    files = {path.name for path in sources} | {str(path.parent.relative_to(root)) for path in sources}
    words = set(re.findall(r"\w+", " ".join(path.read_text() for path in sources)))
    named = re.findall(r"`([^`\n]+)`", (root / "docs/life_of_a_request.md").read_text())
    return [f"docs/life_of_a_request.md: NAMES: {name} does not exist"
            for name in named if name not in files and name not in words]


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
    checks = {"names": check_names, "compatibility": check_compatibility, "man": check_man}
    findings = checks[sys.argv[2]](root, *sys.argv[3:])
    print("\n".join(findings + [f"{len(findings)} findings"]))
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
