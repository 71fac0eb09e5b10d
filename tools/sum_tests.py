#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Adds up the results of build folders: ctest's file and, in place of each pytest entry of ctest,
that entry's own tests. Names what failed; the last line is the sum.

  sum_tests.py BUILD_FOLDER...
"""

import pathlib
import sys
import xml.etree.ElementTree as ElementTree


def outcomes_of_ctest(folder):
    report = folder / "ctest.xml"
    if not report.exists():
        yield f"{folder}: ctest", "failed"
        return
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        name, status = case.get("name"), case.get("status")
        outcome = {"run": "passed", "notrun": "skipped", "disabled": "skipped"}.get(status, "failed")
        pytest_report = folder / "pytest" / f"{name}.xml"
        if outcome != "skipped" and pytest_report.exists():
            cases = list(outcomes_of_pytest(folder, pytest_report))
            yield from cases
            # Killed by its time limit, or broken outside any test.
            if outcome == "failed" and all(result != "failed" for _, result in cases):
                yield f"{folder}: {name}", "failed"
        else:
            yield f"{folder}: {name}", outcome


def outcomes_of_pytest(folder, report):
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        name = f"{folder}: {case.get('classname')}::{case.get('name')}"
        if case.find("failure") is not None or case.find("error") is not None:
            yield name, "failed"
        else:
            yield name, "skipped" if case.find("skipped") is not None else "passed"


def main():
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for folder in map(pathlib.Path, sys.argv[1:]):
        for name, outcome in outcomes_of_ctest(folder):
            counts[outcome] += 1
            if outcome != "passed":
                print(f"{outcome}: {name}")
    if counts["skipped"]:
        print(f"{counts['skipped']} skipped")
    print(f"{counts['passed']} passed, {counts['failed']} failed")
    sys.exit(1 if counts["failed"] or not counts["passed"] else 0)


if __name__ == "__main__":
    main()
