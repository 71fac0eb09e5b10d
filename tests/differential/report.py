# SPDX-License-Identifier: Apache-2.0
"""Prints the table of a differential run: report.py OUTCOMES.json

Per section of the feature list (the number before the dot of a case's rows): rows covered, cases,
equal, deviating on purpose (docs/deviations.md), known to be wrong here, different. A case counts
in the section of its first row. Sections that no case covers are named below the table, with the
suites that look after them."""

import json
import pathlib
import sys

RESULTS = ("equal", "deviating", "known", "different")
SECTIONS = {
    "1": "command line and bootstrap", "2": "xDS", "3": "listeners", "4": "connection manager",
    "5": "routing", "6": "clusters and upstream", "7": "filters", "8": "TLS",
    "9": "observability", "10": "admin", "11": "overload", "12": "lifecycle",
}
# Looked after by other suites: what these do is not seen in one request beside another.
ELSEWHERE = {"12": "tests/faults and tests/blackbox"}


def main(path):
    verdicts = json.loads(pathlib.Path(path).read_text())
    table, rows = {}, {}
    for verdict in verdicts.values():
        section = verdict["rows"][0].partition(".")[0]
        counts = table.setdefault(section, dict.fromkeys(RESULTS, 0))
        counts[verdict["result"]] += 1
        for row in verdict["rows"]:
            rows.setdefault(row.partition(".")[0], set()).add(row)
    line = "{:<32}{:>6}{:>8}{:>8}{:>11}{:>7}{:>11}"
    print(line.format("section", "rows", "cases", *RESULTS))
    total = [0] * (2 + len(RESULTS))
    for section in sorted(set(table) | set(rows) | set(SECTIONS), key=lambda name: name.zfill(3)):
        counts = table.get(section, dict.fromkeys(RESULTS, 0))
        numbers = [len(rows.get(section, ())), sum(counts.values()), *counts.values()]
        total = [left + right for left, right in zip(total, numbers)]
        print(line.format(f"{section} {SECTIONS.get(section, '')}", *numbers))
    print(line.format("all", *total))
    for section in SECTIONS:
        if section not in rows:
            print(f"no case: {section} {SECTIONS[section]}, see "
                  f"{ELSEWHERE.get(section, 'nothing')}")


if __name__ == "__main__":
    main(sys.argv[1])
