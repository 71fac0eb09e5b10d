# SPDX-License-Identifier: Apache-2.0
"""A parser of HTTP/1.1 requests that forgives nothing: the oracle over what reached an origin.

It is written from RFC 9110 and RFC 9112 alone and shares nothing with the proxy. Whatever a lenient
origin could read in another way than this parser does is a violation.
"""

import re

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
REQUEST_LINE = re.compile(rb"(" + TOKEN + rb") ([\x21-\x22\x24-\x7e]+) HTTP/1\.1")
FIELD = re.compile(rb"(" + TOKEN + rb"): ?([\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*"
                   rb"[\x21-\x7e\x80-\xff])?)?")
REG_NAME = rb"(?:[A-Za-z0-9\-._~!$&'()*+;=]|%[0-9A-Fa-f]{2})+"
AUTHORITY = re.compile(rb"(?:" + REG_NAME + rb"|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?")
CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,16}")
SINGLE = {b"host", b"content-length", b"transfer-encoding"}
FORBIDDEN_TRAILERS = SINGLE | {b"connection", b"te", b"trailer", b"upgrade", b"authorization"}


class Violation(Exception):
    """What came is no well-formed request."""


class Incomplete(Exception):
    """What came is the beginning of a well-formed request, as far as can be seen."""


class Request:
    def __init__(self, method, target, fields):
        self.method, self.target, self.fields = method, target, fields
        self.body, self.trailers = b"", []

    def values(self, name):
        return [value for key, value in self.fields if key == name]

    def __repr__(self):
        return f"{self.method.decode()} {self.target.decode()} {self.fields} {self.body[:60]!r}"


def demand(condition, what, text=b""):
    if not condition:
        raise Violation(f"{what}: {bytes(text[:120])!r}")


def take_line(data, at):
    """The line at `at` without its end, and where the next one begins."""
    end = data.find(b"\r\n", at)
    seen = data[at:] if end < 0 else data[at:end]
    bare = seen[:-1] if end < 0 and seen.endswith(b"\r") else seen
    demand(b"\n" not in bare and b"\r" not in bare and b"\0" not in bare, "bare CR, LF or NUL", bare)
    if end < 0:
        raise Incomplete
    return seen, end + 2


def take_fields(data, at):
    fields = []
    while True:
        line, at = take_line(data, at)
        if not line:
            return fields, at
        found = FIELD.fullmatch(line)
        demand(found, "field line", line)
        fields.append((found[1].lower(), found[2] or b""))


def check_target(request):
    method, target = request.method, request.target
    if method == b"CONNECT":
        demand(AUTHORITY.fullmatch(target) and b":" in target, "authority-form", target)
    elif target == b"*":
        demand(method == b"OPTIONS", "asterisk-form", target)
    else:
        demand(target.startswith(b"/"), "origin-form", target)


def check_head(request):
    check_target(request)
    for name in SINGLE:
        demand(len(request.values(name)) <= 1, "given twice", name)
    hosts = request.values(b"host")
    demand(len(hosts) == 1, "one Host", repr(request).encode())
    found = AUTHORITY.fullmatch(hosts[0])
    demand(found and int(found[1] or 0) <= 65535, "Host", hosts[0])
    demand(not (request.values(b"content-length") and request.values(b"transfer-encoding")),
           "two framings", repr(request).encode())


def take_chunks(data, at, request):
    while True:
        line, at = take_line(data, at)
        demand(CHUNK_SIZE.fullmatch(line), "chunk size", line)
        size = int(line, 16)
        if size == 0:
            request.trailers, at = take_fields(data, at)
            for name, _ in request.trailers:
                demand(name not in FORBIDDEN_TRAILERS, "trailer", name)
            return at
        if len(data) < at + size + 2:
            demand(b"\r\n".startswith(data[at + size:]), "end of chunk", data[at + size:])
            raise Incomplete
        request.body += data[at:at + size]
        demand(data[at + size:at + size + 2] == b"\r\n", "end of chunk", data[at + size:])
        at += size + 2


def take_request(data, at=0):
    """The request that begins at `at` and where the next one would begin."""
    line, at = take_line(data, at)
    found = REQUEST_LINE.fullmatch(line)
    demand(found, "request line", line)
    fields, at = take_fields(data, at)
    request = Request(found[1], found[2], fields)
    check_head(request)
    lengths, codings = request.values(b"content-length"), request.values(b"transfer-encoding")
    if codings:
        demand(codings[0] == b"chunked", "transfer coding", codings[0])
        return request, take_chunks(data, at, request)
    if lengths:
        demand(re.fullmatch(rb"0|[1-9][0-9]{0,18}", lengths[0]), "content-length", lengths[0])
        size = int(lengths[0])
        demand(size < 2**63, "content-length", lengths[0])
        if len(data) < at + size:
            raise Incomplete
        request.body = data[at:at + size]
        at += size
    return request, at
