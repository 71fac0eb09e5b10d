#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The head of each file: SPDX line, and in headers an ESSAY and a GUARD named after the path."""

import re

from source_files import Findings, read, sources

SPDX_C = "// SPDX-License-Identifier: Apache-2.0"
ESSAY_MIN_WORDS, ESSAY_MAX_LINES = 8, 15


def check_header(path, text, findings):
    rest = text.split("\n", 1)[1] if "\n" in text else ""
    essay = re.match(r"/\*(.*?)\*/\n", rest, re.S)
    if not essay:
        findings.add(path, 2, "ESSAY", "no comment that says what it is, who owns it, which thread")
    else:
        body = [line.strip(" *") for line in essay.group(1).split("\n")]
        if len(" ".join(body).split()) < ESSAY_MIN_WORDS:
            findings.add(path, 2, "ESSAY", "says too little")
        if len([line for line in body if line]) > ESSAY_MAX_LINES:
            findings.add(path, 2, "ESSAY", f"longer than {ESSAY_MAX_LINES} lines")
    guard = re.sub(r"[^A-Z0-9]", "_", str(path).upper())
    if not re.search(rf"^#ifndef {guard}\n#define {guard}\n", text, re.M):
        findings.add(path, 1, "GUARD", f"the include guard is not {guard}")


def main():
    findings = Findings()
    for path in sources(".c", ".cc", ".h", ".py", ".sh", ".cmake"):
        text = read(path)
        lines = text.split("\n", 2)
        if path.suffix in (".c", ".cc", ".h"):
            if lines[0] != SPDX_C:
                findings.add(path, 1, "SPDX", "the first line is not the licence line")
        elif "# SPDX-License-Identifier: Apache-2.0" not in lines[:2]:
            findings.add(path, 1, "SPDX", "no licence line at the head")
        if path.suffix == ".h":
            check_header(path, text, findings)
    findings.finish()


if __name__ == "__main__":
    main()
