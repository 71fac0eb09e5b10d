# SPDX-License-Identifier: Apache-2.0
"""Malformed and ambiguous HTTP/1.1 requests: refused whole, or one well-formed request goes on."""

import itertools
import re
import socket

import pytest
import yaml

import config
import programs
import wire

CASES = yaml.safe_load((programs.ROOT / "testdata/security/http1_requests.yaml").read_text())
NUMBERS = itertools.count()
REPEAT = re.compile(r"\{\{(.*?)\*([0-9]+)\}\}", re.DOTALL)


def bytes_of(text):
    return REPEAT.sub(lambda found: found[1] * int(found[2]), text).encode("latin1")


@pytest.fixture(scope="module")
def port(start_proxy, origin):
    proxy = start_proxy(config.simple(origin.port))
    port = proxy.port()
    assert wire.ask(port, b"/")[0] == 200  # the connection to the origin is there from now on
    origin.collect()
    return port


def talk(port, case):
    """The answers' statuses and the last one's headers; whether the proxy closed by itself."""
    answers = []
    expected = case["answers"]
    with wire.connect(port) as sock:
        reader = wire.Reader(sock)
        for piece in case["send"] if isinstance(case["send"], list) else [case["send"]]:
            sock.sendall(bytes_of(piece))
        heads = case.get("heads", [])
        while len(answers) < len(expected):
            answer = reader.answer(is_head=len(answers) in heads)
            if answer is None:
                break
            answers.append(answer)
        if case.get("closes", expected and expected[-1] >= 400):
            # By itself: nothing was closed on our side.
            rest = reader.rest()
            assert reader.is_ended
        else:
            sock.shutdown(socket.SHUT_WR)
            rest = reader.rest()
        assert rest == b"", f"after the answers: {rest!r}"
    return answers


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_request(port, origin, case):
    origin.collect()
    answers = talk(port, case)
    requests, violations, partial = wire.reaches_origin(port, origin, next(NUMBERS))
    assert not violations
    assert [answer[0] for answer in answers] == case["answers"], answers
    if case["answers"] and case["answers"][-1] >= 400 and case.get("refused", True):
        assert answers[-1][1].get(b"connection") == b"close", answers
    assert [f"{request.method.decode()} {request.target.decode()}" for request in requests] == \
        case.get("origin", []), requests
    if case.get("partial", False):
        assert len(partial) <= 1, partial
        programs.wait_until(lambda: not origin.has_open_beginning(), "what began is broken off")
    else:
        assert partial == []
    if requests:
        last = requests[-1]
        assert last.body == bytes_of(case.get("body", "")), last
        for name, value in case.get("fields", {}).items():
            values = [item.decode("latin1") for item in last.values(name.encode())]
            assert values == ([] if value is None else [value]), last
    wire.ask(port, b"/again")
    assert len(origin.collect()[0]) == 1


def test_there_are_enough_cases():
    assert len(CASES) >= 160
    assert len({case["name"] for case in CASES}) == len(CASES)
