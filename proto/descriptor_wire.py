# SPDX-License-Identifier: Apache-2.0
"""A small reader of protobuf's wire form, enough for descriptors and their options.

The pipeline needs descriptors before there is any protobuf runtime, and unlike a runtime it wants
unknown extensions (validation rules, annotations) as plain fields, so it reads the bytes itself.
"""

import struct

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


def read_varint(data, pos):
    value = shift = 0
    while True:
        byte = data[pos]
        pos += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, pos
        shift += 7


def encode_varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def encode_bytes(number, value):
    return encode_varint(number << 3 | BYTES) + encode_varint(len(value)) + value


class Message:
    """Fields of one message: number -> list of raw values, in wire order."""

    def __init__(self, data):
        self.fields = {}
        self.order = []
        pos = 0
        while pos < len(data):
            tag, pos = read_varint(data, pos)
            number, wire = tag >> 3, tag & 7
            if wire == VARINT:
                value, pos = read_varint(data, pos)
            elif wire == FIXED64:
                value, pos = data[pos:pos + 8], pos + 8
            elif wire == BYTES:
                size, pos = read_varint(data, pos)
                value, pos = data[pos:pos + size], pos + size
            elif wire == FIXED32:
                value, pos = data[pos:pos + 4], pos + 4
            else:
                raise ValueError(f"wire type {wire} at byte {pos}")
            self.fields.setdefault(number, []).append(value)
            self.order.append((number, wire, value))

    def __contains__(self, number):
        return number in self.fields

    def raw(self, number, default=None):
        return self.fields[number][-1] if number in self.fields else default

    def raws(self, number):
        return self.fields.get(number, [])

    def text(self, number, default=""):
        return self.fields[number][-1].decode() if number in self.fields else default

    def texts(self, number):
        return [value.decode() for value in self.raws(number)]

    def message(self, number):
        """The submessage; parts that came in several pieces are merged, as the format says."""
        return Message(b"".join(self.raws(number)))

    def messages(self, number):
        return [Message(value) for value in self.raws(number)]

    def encode(self):
        out = bytearray()
        for number, wire, value in self.order:
            out += encode_varint(number << 3 | wire)
            if wire == VARINT:
                out += encode_varint(value)
            elif wire == BYTES:
                out += encode_varint(len(value)) + value
            else:
                out += value
        return bytes(out)


def signed64(value):
    return value - (1 << 64) if value >= 1 << 63 else value


def signed32(value):
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value >= 1 << 31 else value


def zigzag(value):
    return (value >> 1) ^ -(value & 1)


def as_float(raw):
    return struct.unpack("<f", raw)[0]


def as_double(raw):
    return struct.unpack("<d", raw)[0]
