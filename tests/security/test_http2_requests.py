# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 requests that must not become something else in HTTP/1.1."""

import itertools
import os
import time

import pytest
import yaml

import config
import http2
import programs
import wire

CASES = yaml.safe_load((programs.ROOT / "testdata/security/http2_requests.yaml").read_text())
NUMBERS = itertools.count()
# How long a refusal may take; a loaded machine gets further attempts, a slow build more time.
REFUSAL_SECONDS = 0.5 if os.environ.get("SALLYPORT_SLOW") else 0.05
ATTEMPTS = 5
FLAGS = {"END_STREAM": 1, "ACK": 1, "END_HEADERS": 4, "PADDED": 8, "PRIORITY": 32}


@pytest.fixture(scope="module", params=["goaway", "reset"])
def port(request, start_proxy, origin):
    """Malformed messages end the connection, and, as configured, only their stream."""
    options = {"http2_protocol_options": {"override_stream_error_on_invalid_http_message": True}}
    manager = config.manager(config.virtual_host(config.to("up")),
                             **(options if request.param == "reset" else {}))
    proxy = start_proxy(config.static([config.listener(manager)],
                                      [config.cluster("up", origin.port)]))
    port = proxy.port()
    assert wire.ask(port, b"/")[0] == 200
    origin.collect()
    return port


def raw(text):
    return text.encode("latin1")


def block_of(step):
    if "block" in step:
        return bytes.fromhex(step["block"])
    fields = []
    if "trailers" not in step:
        values = {"method": "GET", "scheme": "http", "path": "/", "authority": "a",
                  **step.get("pseudo", {})}
        fields = [(b":" + raw(name), raw(values[name]))
                  for name in ("method", "scheme", "path", "authority") if values[name] is not None]
    return http2.block(fields + [(raw(name), raw(value))
                                 for name, value in step.get("fields", step.get("trailers", []))])


def frames_of(case):
    """The case's frames as bytes."""
    result = b""
    for step in case["steps"]:
        flags = sum(FLAGS[flag] for flag in step.get("flags", "").split())
        stream = step.get("stream", 1)
        if step["frame"] in ("HEADERS", "CONTINUATION"):
            payload = block_of(step)
        else:
            payload = raw(step.get("payload", ""))
        kind = http2.NAMES.get(step["frame"], step["frame"])
        result += http2.frame(kind, flags, stream, payload)
    return result


def attempt(port, case):
    with http2.Client(port).handshake() as client:
        start = time.monotonic()
        client.send(frames_of(case))
        verdict = client.verdict(case.get("stream", 1))
        return verdict, time.monotonic() - start


def check_refusal(verdict, case):
    codes = case.get("codes", [1])
    assert verdict in ("closed", 400, *(f"{kind} {code}" for kind in ("reset", "goaway")
                                        for code in codes)), verdict


def as_text(request):
    return f"{request.method.decode()} {request.target.decode()}"


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_request(port, origin, case):
    origin.collect()
    if "status" in case:
        verdict, _ = attempt(port, case)
        assert verdict == case["status"]
    else:
        for number in range(ATTEMPTS):
            verdict, seconds = attempt(port, case)
            check_refusal(verdict, case)
            if seconds <= REFUSAL_SECONDS:
                break
            assert number + 1 < ATTEMPTS, f"{seconds} s"
    requests, violations, partial = wire.reaches_origin(port, origin, next(NUMBERS))
    assert not violations
    if not case.get("partial", False):
        assert not partial, partial
    programs.wait_until(lambda: not origin.has_open_beginning(), "what began is broken off")
    assert [as_text(request) for request in requests] == case.get("origin", []), requests
    if requests:
        assert requests[-1].body == raw(case.get("body", "")), requests
        for name, value in case.get("expect", {}).items():
            values = [item.decode("latin1") for item in requests[-1].values(name.encode())]
            assert values == ([] if value is None else [value]), requests


def test_there_are_enough_cases():
    assert sum(1 for case in CASES if "status" not in case) >= 90
    assert len({case["name"] for case in CASES}) == len(CASES)
