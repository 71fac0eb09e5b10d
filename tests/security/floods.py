# SPDX-License-Identifier: Apache-2.0
"""The hostile steps of http2_floods.yaml: each function makes the bytes of step `number`."""

import http2
from http2 import frame

REQUEST = http2.block(http2.request())
POST = http2.block(http2.request(method=b"POST"))
CANCEL = b"\0\0\0\x08"


def stream_of(number):
    return 2 * number + 1


def get(number, flags=http2.END_HEADERS | http2.END_STREAM):
    return frame(http2.HEADERS, flags, stream_of(number), REQUEST)


def post(number, fields=()):
    return frame(http2.HEADERS, http2.END_HEADERS, stream_of(number), POST + http2.block(fields))


def rapid_reset(number):
    return get(number) + frame(http2.RST_STREAM, 0, stream_of(number), CANCEL)


def rapid_reset_of_body(number):
    return (post(number) + frame(http2.DATA, 0, stream_of(number), b"x") +
            frame(http2.RST_STREAM, 0, stream_of(number), CANCEL))


def window_increment_zero(number):
    return post(number) + frame(http2.WINDOW_UPDATE, 0, stream_of(number), bytes(4))


def window_overflow(number):
    return post(number) + frame(http2.WINDOW_UPDATE, 0, stream_of(number), b"\x7f\xff\xff\xff")


def data_after_end(number):
    return get(number) + frame(http2.DATA, 0, stream_of(number), b"x")


def priority_on_itself(number):
    stream = stream_of(number)
    return post(number) + frame(http2.PRIORITY, 0, stream, stream.to_bytes(4, "big") + b"\x10")


def priority_of_bad_length(number):
    return post(number) + frame(http2.PRIORITY, 0, stream_of(number), b"\0")


def body_beyond_length(number):
    return (post(number, [(b"content-length", b"1")]) +
            frame(http2.DATA, http2.END_STREAM, stream_of(number), b"xyz"))


def malformed_trailers(number):
    return post(number) + frame(http2.HEADERS, http2.END_HEADERS | http2.END_STREAM,
                                stream_of(number), http2.block([(b"connection", b"x")]))


def open_block(number, kind_of_rest):
    return (frame(http2.HEADERS, http2.END_STREAM, 1, REQUEST) if number == 0 else b"") + \
        frame(http2.CONTINUATION, 0, 1, kind_of_rest)


def continuation_large(number):
    return open_block(number, http2.literal(b"x", b"y" * 16000))


def continuation_small(number):
    return open_block(number, http2.literal(b"x", b"y"))


def continuation_empty(number):
    return open_block(number, b"")


def bomb(number, name):
    """A field of almost 4 KiB put into the table once, then 16,000 references of one byte."""
    if number == 0:
        rest = http2.literal(name, b"v" * 3900, 0x40)
    else:
        rest = b"\xbe" * 16000
    fields = REQUEST if name != b"host" else http2.block(http2.request()[:3])
    return frame(http2.HEADERS, http2.END_HEADERS | http2.END_STREAM, stream_of(number),
                 fields + rest)


def bomb_cookie(number):
    return bomb(number, b"cookie")


def bomb_host(number):
    return bomb(number, b"host")


def bomb_field(number):
    return bomb(number, b"x-bomb")


def oversized_headers(number):
    return frame(http2.HEADERS, http2.END_HEADERS | http2.END_STREAM, stream_of(number),
                 REQUEST + http2.literal(b"x", b"y") * 2000)


def settings(_):
    return frame(http2.SETTINGS, 0, 0, b"\0\x03\0\0\0\x64")


def settings_empty(_):
    return frame(http2.SETTINGS, 0, 0)


def table_size_flips(number):
    return frame(http2.SETTINGS, 0, 0, b"\0\x01\0\0" + (b"\0\0" if number % 2 else b"\x10\0"))


def ping(_):
    return frame(http2.PING, 0, 0, b"12345678")


def priority(number):
    return frame(http2.PRIORITY, 0, stream_of(number), b"\0\0\0\0\x10")


def window_update(_):
    return frame(http2.WINDOW_UPDATE, 0, 0, b"\0\0\0\1")


def unknown_frame(number):
    return frame(0x20 + number % 100, 0, 0, b"abc")


def metadata(_):
    return frame(0x4d, 4, 0, b"abc")


def empty_data(number):
    return (post(0) if number == 0 else b"") + frame(http2.DATA, 0, 1)


def padding_only(number):
    return (post(0) if number == 0 else b"") + frame(http2.DATA, http2.PADDED, 1, b"\x03\0\0\0")


def goaway(number):
    return (post(0) if number == 0 else b"") + frame(http2.GOAWAY, 0, 0, bytes(8))


def streams_above_the_limit(number):
    return post(number)


def data_after_own_reset(number):
    first = post(0) + frame(http2.RST_STREAM, 0, 1, CANCEL) if number == 0 else b""
    return first + frame(http2.DATA, 0, 1, b"x")


def reset_of_idle(number):
    return frame(http2.RST_STREAM, 0, stream_of(number), CANCEL)
