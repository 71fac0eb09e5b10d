#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Caps on size: FILE_LENGTH (.c 800 lines, .h 300) and FUNCTION_LENGTH (80 lines)."""

import re

from source_files import Findings, blank_comments_and_strings, read, sources

FILE_CAPS = {".c": 800, ".cc": 800, ".h": 300, ".py": 800}
FUNCTION_CAP = 80
NOT_FUNCTION = re.compile(r"^(?:struct|enum|union|typedef|namespace|extern\s+\"C\")\b[^()]*$")


def functions(text):
    """(first line, last line, name) of each body whose braces open at the outermost level."""
    clean = re.sub(r"^[ \t]*#(?:.*\\\n)*.*$", lambda m: "\n" * m.group().count("\n"),
                   blank_comments_and_strings(text), flags=re.M)
    depth, head_start, start = 0, 0, None
    for match in re.finditer(r"[{};]", clean):
        char = match.group()
        if char == "{":
            if depth == 0:
                head = clean[head_start:match.start()].strip()
                is_function = ")" in head and "=" not in head and not NOT_FUNCTION.match(head)
                start = (match.start() - len(clean[head_start:match.start()].lstrip()), head) \
                    if is_function else None
            depth += 1
        elif char == "}":
            depth -= 1
            if depth == 0:
                if start:
                    name = re.findall(r"(\w+)\s*\(", start[1])
                    yield (clean.count("\n", 0, start[0]) + 1,
                           clean.count("\n", 0, match.start()) + 1, name[0] if name else "?")
                head_start = match.end()
        elif depth == 0:
            head_start = match.end()


def main():
    findings = Findings()
    for path in sources(*FILE_CAPS):
        text = read(path)
        lines, cap = text.count("\n"), FILE_CAPS[path.suffix]
        if lines > cap:
            findings.add(path, cap + 1, "FILE_LENGTH", f"{lines} lines, the cap is {cap}")
        if path.suffix == ".py":
            continue
        for first, last, name in functions(text):
            if last - first + 1 > FUNCTION_CAP:
                findings.add(path, first, "FUNCTION_LENGTH",
                             f"{name} has {last - first + 1} lines, the cap is {FUNCTION_CAP}")
    findings.finish()


if __name__ == "__main__":
    main()
