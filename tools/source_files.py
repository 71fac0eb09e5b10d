# SPDX-License-Identifier: Apache-2.0
"""What the checks share: which files are ours, and how a finding is printed.

A finding is "path:line: NAME: text", so that an editor jumps to it and a reader can search NAME.
"""

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = ("src", "xds", "filters", "proto", "tools", "tests", "cmake")


def sources(*suffixes):
    """Our files with these suffixes, as paths relative to the root, sorted."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in suffixes and path.is_file():
                yield path.relative_to(ROOT)


def read(path):
    return (ROOT / path).read_text(encoding="utf-8")


def blank_comments_and_strings(text):
    """The text with comments, strings and character literals turned to spaces, lines kept."""
    out, pos, size = [], 0, len(text)
    while pos < size:
        char, pair = text[pos], text[pos:pos + 2]
        if pair == "//":
            end = text.find("\n", pos)
        elif pair == "/*":
            end = text.find("*/", pos + 2) + 2
        elif char in "\"'":
            end = pos + 1
            while end < size and text[end] != char and text[end] != "\n":
                end += 2 if text[end] == "\\" else 1
            end += 1
        else:
            out.append(char)
            pos += 1
            continue
        end = size if end < pos + 1 else end
        out.append("".join("\n" if c == "\n" else " " for c in text[pos:end]))
        pos = end
    return "".join(out)


class Findings:
    def __init__(self):
        self.lines = []

    def add(self, path, line, name, text):
        self.lines.append(f"{path}:{line}: {name}: {text}")

    def finish(self):
        for line in self.lines:
            print(line)
        if self.lines:
            print(f"{len(self.lines)} findings")
        sys.exit(1 if self.lines else 0)
