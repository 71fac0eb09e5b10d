#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Documents that are tied to the code:

STAGES         docs/life_of_a_request.md has one heading for each stage of STREAM_STAGES, in order
COMPATIBILITY  docs/compatibility.md is what `sallyport compat --doc` prints

  check_docs.py ROOT stages
  check_docs.py ROOT compatibility BINARY
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


def main():
    root = pathlib.Path(sys.argv[1])
    findings = (check_stages(root) if sys.argv[2] == "stages"
                else check_compatibility(root, sys.argv[3]))
    print("\n".join(findings + [f"{len(findings)} findings"]))
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
