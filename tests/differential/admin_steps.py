# SPDX-License-Identifier: Apache-2.0
"""Steps that ask the admin interface."""

import http.client
import json
import re

import cases

SECONDS = 10
IGNORED_HEADERS = ("date", "content-length", "transfer-encoding", "connection")


def shape(value):
    """Types in the place of values, so that times, sizes and versions may differ."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        kinds = []
        for item in map(shape, value):
            if item not in kinds:
                kinds.append(item)
        return sorted(kinds, key=lambda kind: json.dumps(kind, sort_keys=True))
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float)):
        return "number"
    if re.fullmatch(r"-?\d+(\.\d+)?", value or ""):
        return "number in a string"
    return value if value is None else "string"


def sort_lists(value):
    if isinstance(value, dict):
        return {key: sort_lists(item) for key, item in value.items()}
    if isinstance(value, list):
        return sorted(map(sort_lists, value), key=lambda item: json.dumps(item, sort_keys=True))
    return value


def ask(address, step):
    connection = http.client.HTTPConnection(*address, timeout=SECONDS)
    try:
        connection.putrequest(step.get("method", "GET"), step["admin"], skip_host=False)
        body = cases.expand(step.get("body")).encode("latin1")
        for name, value in cases.fields_of(step.get("headers")):
            connection.putheader(name, value)
        if body or step.get("method") == "POST":
            connection.putheader("content-length", str(len(body)))
        connection.endheaders(body or None)
        response = connection.getresponse()
        return response.status, response.getheaders(), response.read().decode("utf-8", "replace")
    finally:
        connection.close()


def lines_of(step, body):
    lines = body.split("\n")
    if "keep" in step:
        lines = [line for line in lines if re.search(step["keep"], line)]
    if step.get("sort"):
        lines.sort()
    if step.get("shape"):
        lines = [re.sub(r"\d+", "N", line) for line in lines]
    return lines


def run(address, step, names):
    """{status, headers, json or lines} of one admin request; `names` are texts to name."""
    status, headers, body = ask(address, step)
    for text, name in names.items():
        body = body.replace(text, name)
    found = {"status": status, "headers": [[name.lower(), value] for name, value in headers
                                           if name.lower() not in IGNORED_HEADERS]}
    if "text" in step:
        return dict(found, body=bool(re.search(step["text"], body)))
    try:
        content = json.loads(body)
        if not isinstance(content, (dict, list)):
            raise ValueError
    except ValueError:
        return dict(found, lines=lines_of(step, body))
    for key in step.get("pick", "").split(".") if "pick" in step else ():
        content = content[int(key)] if isinstance(content, list) else content.get(key, {})
    if step.get("sort"):
        content = sort_lists(content)
    return dict(found, json=shape(content) if step.get("shape") else content)
