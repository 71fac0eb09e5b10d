# SPDX-License-Identifier: Apache-2.0
"""Numbers at and beyond the edge of their types, where they decide something: windows to the last byte
and one beyond, deadlines of thousands of years, names of 64 KiB."""

import itertools
import struct

import pytest

import config
import http2
import programs
import wire

NUMBERS = itertools.count()
MOST = 2**31 - 1
FLOW_CONTROL_ERROR, INITIAL_WINDOW_SIZE = 3, 4
FIRST_WINDOW = 65535


@pytest.fixture(scope="module")
def proxied(start_proxy, origin):
    """Routes that obey grpc-timeout, without a cap and with one."""
    free, capped = ({"max_stream_duration": {"grpc_timeout_header_max": most}, "timeout": "0s"}
                    for most in ("0s", "315576000000s"))
    host = config.virtual_host(config.to("up", prefix="/capped", **capped),
                               config.to("up", **free))
    return start_proxy(config.static([config.listener(config.manager(host))],
                                     [config.cluster("up", origin.port)]))


def update(stream, increment):
    return http2.frame(http2.WINDOW_UPDATE, 0, stream, struct.pack(">I", increment))


def settings(value):
    return http2.frame(http2.SETTINGS, 0, 0, struct.pack(">HI", INITIAL_WINDOW_SIZE, value))


def post(stream=1, flags=http2.END_HEADERS):
    return http2.frame(http2.HEADERS, flags, stream, http2.block(http2.request(method=b"POST")))


END = http2.frame(http2.DATA, http2.END_STREAM, 1)

# name: frames behind the exchange of settings, what becomes of stream 1
WINDOWS = {
    "stream_full": (post() + update(1, MOST - FIRST_WINDOW) + END, [200]),
    "stream_one_beyond": (post() + update(1, MOST - FIRST_WINDOW + 1), ["reset 3", "goaway 3"]),
    "stream_full_then_one": (post() + update(1, MOST - FIRST_WINDOW) + update(1, 1),
                             ["reset 3", "goaway 3"]),
    "stream_at_once": (post() + update(1, MOST), ["reset 3", "goaway 3"]),
    "connection_full": (update(0, MOST - FIRST_WINDOW) + post() + END, [200]),
    "connection_one_beyond": (update(0, MOST - FIRST_WINDOW + 1) + post(), ["goaway 3"]),
    "connection_full_then_one": (update(0, MOST - FIRST_WINDOW) + update(0, 1) + post(),
                                 ["goaway 3"]),
    "connection_at_once": (update(0, MOST) + post(), ["goaway 3"]),
    "settings_full": (settings(MOST) + post() + END, [200]),
    "settings_beyond": (settings(MOST + 1) + post(), ["goaway 3"]),
    "settings_all_bits": (settings(2**32 - 1) + post(), ["goaway 3"]),
    "settings_lift_a_stream_beyond": (post() + update(1, 1) + settings(MOST),
                                      ["reset 3", "goaway 3"]),
    "settings_lower_below_nothing": (post() + settings(0) + update(1, FIRST_WINDOW) +
                                     settings(FIRST_WINDOW) + END, [200]),
    "reserved_bit": (post() + update(1, 0x80000001) + END, [200]),
    "reserved_bit_alone": (post() + update(1, 0x80000000), ["reset 1", "goaway 1"]),
}


@pytest.mark.parametrize("name", WINDOWS)
def test_window(proxied, origin, name):
    frames, verdicts = WINDOWS[name]
    port = proxied.port()
    with http2.Client(port).handshake() as client:
        client.send(frames)
        assert client.verdict(1) in verdicts
    requests, violations, _ = wire.reaches_origin(port, origin, next(NUMBERS))
    assert not violations
    assert len(requests) == (1 if verdicts == [200] else 0)
    programs.wait_until(lambda: not origin.has_open_beginning(), "what began is broken off")
    proxied.check_alive()


GRPC = [(b"content-type", b"application/grpc"), (b"te", b"trailers")]
TIMEOUTS = ["99999999H", "99999999M", "99999999S", "99999999m", "99999999u", "99999998H",
            "00000001H", "100000000H", "18446744073709551616H", "4294967296S", "2147483648m", "-1H",
            "+1H", "1.5H", "1", "H", "", "1Hx", "1 H", "9223372036854775807n", "1h"]


@pytest.mark.parametrize("path", [b"/free", b"/capped"])
@pytest.mark.parametrize("protocol", ["http1", "http2"])
@pytest.mark.parametrize("value", TIMEOUTS)
def test_grpc_timeout(proxied, origin, path, protocol, value):
    """None of these is a short one: the call has its answer."""
    port, fields = proxied.port(), [*GRPC, (b"grpc-timeout", value.encode())]
    if protocol == "http1":
        with wire.connect(port) as sock:
            sock.sendall(b"POST %s HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n%s\r\n" % (
                path, b"".join(b"%s: %s\r\n" % field for field in fields)))
            status = wire.Reader(sock).answer()[0]
    else:
        with http2.Client(port).handshake() as client:
            client.send(http2.frame(http2.HEADERS, http2.END_HEADERS | http2.END_STREAM, 1,
                                    http2.block(http2.request(b"POST", path) + fields)))
            status = client.verdict(1)
    assert status == 200
    requests, violations, _ = wire.reaches_origin(port, origin, next(NUMBERS))
    assert [request.target for request in requests] == [path] and not violations


@pytest.mark.parametrize("name", [b"a" * 65536, b"a" * 65535, b"a" * 70000])
def test_long_name_over_http2(proxied, origin, name):
    """In a HEADERS frame with as many CONTINUATIONs as it takes."""
    port = proxied.port()
    block = http2.block([*http2.request(), (name, b"1")])
    pieces = [block[at:at + 16384] for at in range(0, len(block), 16384)]
    with http2.Client(port).handshake() as client:
        for number, piece in enumerate(pieces):
            kind = http2.CONTINUATION if number else http2.HEADERS
            flags = (0 if number else http2.END_STREAM) | (
                http2.END_HEADERS if piece is pieces[-1] else 0)
            client.send(http2.frame(kind, flags, 1, piece))
        verdict = client.verdict(1)
    assert verdict in (431, "reset 1", "reset 2", "goaway 1", "goaway 9", "goaway 11", "closed"), verdict
    requests, violations, partial = wire.reaches_origin(port, origin, next(NUMBERS))
    assert not requests and not violations and not partial
    proxied.check_alive()
