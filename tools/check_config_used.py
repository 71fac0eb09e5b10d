#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""FIELD_NOT_USED: a member of the configuration model that only its decoder knows.

A field of the API stands as honoured in the ledger when its decoder puts it into the model, so what
the model holds must be read by something else. Members are told apart by name alone: one that shares
its name with a member that is read passes. With a folder, its tree is checked instead of this one.
"""

import pathlib
import re
import sys

from source_files import ROOT, Findings, blank_comments_and_strings

MODELS = ("src/config/*_config.h", "src/overload/overload_config.h")
# Folders of code that acts, and what in them only fills the model. tls_builder makes contexts of it.
READERS = ("src", "filters", "xds")
DECODER = re.compile(r"^xds/decode/(?!tls_builder\.c)|_config\.c$|_test\.[ch]$|_test_\w+\.[ch]$")

STRUCT = re.compile(r"^struct (\w+) \{$(.*?)^\};$", re.M | re.S)
MEMBER = re.compile(r"(\w+)\s*(?:\[[^\]]*\]\s*)?(?::\s*\d+\s*)?(?=[,;])")
# A member on the left of an assignment, or in an initialiser, is written there, not read.
READ = re.compile(r"(?:->|\.)\s*(\w+)\b(?!\s*=(?!=))")


def members(text):
    """(line, struct, member) of each struct at the outermost level; an enum's constants are none."""
    clean = blank_comments_and_strings(text)
    for struct in STRUCT.finditer(clean):
        body = re.sub(r"\benum(?:\s+\w+)?\s*\{.*?\}",
                      lambda m: "enum" + "\n" * m.group().count("\n"), struct.group(2), flags=re.S)
        first = clean.count("\n", 0, struct.start(2)) + 1
        for member in MEMBER.finditer(body):
            yield first + body.count("\n", 0, member.start()), struct.group(1), member.group(1)


def names_read(root):
    names = set()
    for folder in READERS:
        for path in sorted((root / folder).rglob("*.[ch]")):
            if not DECODER.search(path.relative_to(root).as_posix()):
                names.update(READ.findall(blank_comments_and_strings(
                    path.read_text(encoding="utf-8"))))
    return names


def main():
    root = pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT
    findings, read = Findings(), names_read(root)
    for header in sorted(path for model in MODELS for path in root.glob(model)):
        for line, struct, member in members(header.read_text(encoding="utf-8")):
            if member not in read:
                findings.add(header.relative_to(root), line, "FIELD_NOT_USED",
                             f"{struct}.{member} is read by its decoder alone: read it, or say in "
                             "the ledger that the field is ignored or refused")
    findings.finish()


if __name__ == "__main__":
    main()
