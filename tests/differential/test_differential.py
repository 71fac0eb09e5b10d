# SPDX-License-Identifier: Apache-2.0
"""The same configuration and the same bytes to Envoy and to Sallyport; both must do the same."""

import json

import pytest

import case_coverage
import cases
import compare

CASES = cases.load_all()


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_differential(case, outcomes, verdicts):
    envoy, ours = outcomes[case.id]
    verdict = {"section": case.section, "rows": case.rows, "result": "different"}
    verdicts[case.id] = verdict
    differences = compare.differences(envoy, ours, case)
    verdict["found"] = differences
    if case.deviation or case.known:
        problem = compare.check_deviation(differences, case)
        verdict["deviation"] = case.deviation or case.known
    else:
        problem = compare.describe(differences)
    if problem:
        verdict["differences"] = problem
        pytest.fail(f"{case.path}\n{problem}", pytrace=False)
    if not compare.has_content(envoy):
        verdict["differences"] = "nothing happened"
        pytest.fail(f"{case.path}: nothing was seen on either side, so nothing was compared\n"
                    f"{json.dumps(envoy, indent=1)}", pytrace=False)
    verdict["result"] = "deviating" if case.deviation else "known" if case.known else "equal"
    if case.known:
        pytest.xfail(f"known difference: {case.known}")


def test_there_are_enough_cases():
    assert len(CASES) >= 150


def test_deviations_are_documented():
    known = cases.documented_deviations()
    assert {case.deviation for case in CASES if case.deviation} <= known


@pytest.mark.parametrize("check", [case_coverage.check_flags, case_coverage.check_details])
def test_each_has_a_case(check, outcomes):
    if len(outcomes) < len(CASES):
        pytest.skip("only some of the cases were run")
    check(outcomes)


def test_each_operator_has_a_case():
    case_coverage.check_operators()
