# SPDX-License-Identifier: Apache-2.0
"""What the product can say about a request, each case by case: every response flag, every response
code detail and every access log operator has a case, or a reason in uncovered.yaml why it has none.
test_differential.py asks for it, whose run has the outcomes."""

import pathlib
import re

import yaml

import cases
import programs

CASES = cases.load_all()
REASONS = yaml.safe_load((cases.FOLDER / "uncovered.yaml").read_text())

# How the sources write a response code detail.
DETAILS = re.compile("|".join((
    r'\bdetails = SLICE\("([^"]+)"\)',
    r'H1_FAULT\(\d+,\s*"([^"]+)"',
    r'\bfail\(head, \d+, "([^"]+)"',
    r'"(http[12]\.[a-z_.0-9]+)"',
    r'make_reply\([^;]*?SLICE\("[^"]*"\),\s*SLICE\("([^"]+)"\)',
    r'router_reply_timeout\(\w+, SLICE\("([^"]+)"\)',
    r'(?:abort|reset_details|send_reply|refuse_text)\([^;]*?"([a-z_]+)"',
    r'\{"[^"]+",\s*"(\w+)",\s*\d+,\s*RESPONSE_FLAG',
    r'termination_details = "([^"]+)"',
    r'"((?:rbac_access|jwt_authn_access|filter_removed)\w+)[^"]*"')))
FLAG_ROW = re.compile(r'X\((\w+), "(\w+)", "\w+"\)')
OPERATOR = re.compile(r'\{SLICE_INIT\("(\w+)"\), LOG_SYNTAX')
# Where flags are listed, not set.
LISTS = {"stream_info.h", "stream_info.c", "proxy_status.c"}


def product_sources():
    for folder in ("src", "filters"):
        for path in sorted((programs.ROOT / folder).rglob("*.[ch]")):
            if not path.stem.endswith("_test") and "_test_" not in path.name:
                yield path


def source_details():
    """{detail without its changing part: file}."""
    found = {}
    for path in product_sources():
        for groups in DETAILS.findall(path.read_text()):
            detail = re.split(r"[%{[]", next(filter(None, groups)))[0].rstrip("_")
            found.setdefault(detail, path.name)
    return found


def source_flags():
    """{short text: file} of the flags that something sets."""
    rows = dict(FLAG_ROW.findall((programs.ROOT / "src/access_log/stream_info.h").read_text()))
    found = {}
    for path in product_sources():
        if path.name not in LISTS:
            for flag in re.findall(r"RESPONSE_FLAG_(\w+)", path.read_text()):
                if flag in rows:
                    found.setdefault(rows[flag], path.name)
    return found


def source_operators():
    """{name: file} of the access log's operators."""
    path = programs.ROOT / "src/access_log/log_operator_table.c"
    return dict.fromkeys(OPERATOR.findall(path.read_text()), path.name)


def seen(outcomes, *fields):
    """All values of fields of our JSON logs."""
    return {line[field] for _, ours in outcomes.values() for line in ours.get("log", ())
            if isinstance(line, dict) for field in fields if line.get(field)}


def holds(name, excuse):
    """A reason may be a text that speaks of no test, or it names the test that has the detail in it."""
    if isinstance(excuse, str):
        return not re.search(r"\btests?\b", excuse)
    text = (programs.ROOT / excuse["shown"]).read_text()
    whole = rf"(?<![\w.]){re.escape(name)}(?![\w.])"
    return bool(excuse["why"]) and re.search(whole, text) is not None


def check(kind, found, covered):
    """Each of `found` is covered or excused, and no excuse is out of date."""
    excused = REASONS[kind]
    missing = [f"{name} ({where})" for name, where in found.items()
               if name not in covered and name not in excused]
    stale = [name for name in excused if name in covered or name not in found]
    assert found, f"no {kind} were found in the sources: have they moved?"
    assert not missing, f"{kind} without a case: {', '.join(missing)}"
    assert not stale, f"{kind} in uncovered.yaml that need no excuse: {', '.join(stale)}"
    assert all(excused.values()), f"{kind} without a reason in uncovered.yaml"
    wrong = [name for name, excuse in excused.items() if not holds(name, excuse)]
    assert not wrong, f"{kind} that no test shows as uncovered.yaml says: {', '.join(wrong)}"


def check_flags(outcomes):
    covered = {flag for flags in seen(outcomes, "flags") for flag in flags.split(",")}
    check("flags", source_flags(), covered)


def check_details(outcomes):
    texts = seen(outcomes, "details", "termination")
    found = source_details()
    covered = {detail for detail in found for text in texts
               if text == detail or text.startswith(detail + "{") or
               text.startswith(detail + "[") or text.startswith(detail + "_") or
               re.search(r"\{" + re.escape(detail) + r"[|}]", text)}
    check("details", found, covered)


def check_operators():
    folder = pathlib.Path(__file__).parent
    texts = [(folder / "bootstrap.py").read_text()] + [case.path.read_text() for case in CASES]
    asked = set(re.findall(r"%([A-Z_0-9]+)[(%:]", "".join(texts)))
    check("operators", source_operators(), asked)
