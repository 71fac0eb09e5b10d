#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Named bans: BANNED_FUNCTION (unbounded or stateful C library calls), BRACES (a branch without
braces), TYPEDEF_STRUCT (structs and enums keep their tag), PRIVATE_MEMBER (a member whose name ends in
an underscore, used outside the files of the type: x.h and x.c), UNFINISHED (notes of work left)."""

import re

from source_files import ROOT, Findings, blank_comments_and_strings, read, sources

BANNED = re.compile(r"(?<![\w.>])(strcpy|strcat|sprintf|vsprintf|strtok|atoi|atol|atoll|atof|scanf|"
                    r"sscanf|fscanf|gets|alloca|longjmp|setjmp|rand|srand)\s*\(")
TYPEDEF = re.compile(r"^\s*typedef\s+(?:const\s+)?(?:struct|enum|union)\b"
                     r"(?=[^;({]*[;{])", re.M)  # not function types that return one
BRANCH = re.compile(r"^([ \t]*(?:\} )?)(?:else if|if|for|while|LIST_FOR_EACH\w*)\s*\(", re.M)
BARE_ELSE = re.compile(r"\belse\s*(?!\s*\{|\s*if\b)\S")
PRIVATE = re.compile(r"(?:->|\.)\s*([a-z]\w*_)\b(?!\s*\()")
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")


def after_parentheses(text, pos):
    depth = 0
    for index in range(pos, len(text)):
        if text[index] == "(":
            depth += 1
        elif text[index] == ")":
            depth -= 1
            if depth == 0:
                return text[index + 1:index + 200].lstrip()
    return ""


def is_loop_tail(clean, match):
    """`} while (x);` ends a do loop and needs no braces."""
    return match.group(1).strip() == "}" and "while" in match.group()


def check_braces(path, clean, findings):
    code = re.sub(r"^[ \t]*#(?:.*\\\n)*.*$", lambda m: "\n" * m.group().count("\n"), clean, flags=re.M)
    for match in BRANCH.finditer(code):
        rest = after_parentheses(code, match.end() - 1)
        if rest and not rest.startswith("{") and not is_loop_tail(code, match):
            findings.add(path, code.count("\n", 0, match.end()) + 1, "BRACES", "a branch without braces")
    for match in BARE_ELSE.finditer(code):
        findings.add(path, code.count("\n", 0, match.start()) + 1, "BRACES", "an else without braces")


def check_private(path, clean, findings):
    header = path.with_suffix(".h")
    own = read(header) if (ROOT / header).exists() else clean
    for match in PRIVATE.finditer(clean):
        if not re.search(rf"\b{match.group(1)};", own):
            findings.add(path, clean.count("\n", 0, match.end()) + 1, "PRIVATE_MEMBER", match.group(1))


def main():
    findings = Findings()
    for path in sources(".c", ".cc", ".h"):
        text = read(path)
        clean = blank_comments_and_strings(text)
        for pattern, name in ((BANNED, "BANNED_FUNCTION"), (TYPEDEF, "TYPEDEF_STRUCT")):
            for match in pattern.finditer(clean):
                findings.add(path, clean.count("\n", 0, match.end()) + 1, name, match.group().strip())
        for match in UNFINISHED.finditer(text):
            findings.add(path, text.count("\n", 0, match.start()) + 1, "UNFINISHED", match.group())
        check_braces(path, clean, findings)
        check_private(path, clean, findings)
    findings.finish()


if __name__ == "__main__":
    main()
