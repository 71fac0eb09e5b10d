# SPDX-License-Identifier: Apache-2.0
"""The part of gen_tables.py that turns validate.rules options into the tables of proto_rules.h."""

from descriptor_wire import Message, as_double, as_float, read_varint, signed32, signed64, zigzag

MESSAGE, REQUIRED, SKIP = 17, 2, 1

# FieldRules member -> kind and how a value reads. Unsigned and signed decode from the same varint.
NUMBERS = {
    1: ("FLOAT", as_float), 2: ("FLOAT", as_double),
    3: ("SIGNED", lambda v: signed32(v)), 4: ("SIGNED", signed64),
    5: ("UNSIGNED", lambda v: v), 6: ("UNSIGNED", lambda v: v),
    7: ("SIGNED", zigzag), 8: ("SIGNED", zigzag),
    9: ("UNSIGNED", lambda v: int.from_bytes(v, "little")),
    10: ("UNSIGNED", lambda v: int.from_bytes(v, "little")),
    11: ("SIGNED", lambda v: int.from_bytes(v, "little", signed=True)),
    12: ("SIGNED", lambda v: int.from_bytes(v, "little", signed=True)),
}
FIXED_WIDTH = {1: 4, 2: 8, 9: 4, 10: 8, 11: 4, 12: 8}
BOOL, STRING, BYTES, ENUM, REPEATED, MAP, ANY, DURATION, TIMESTAMP = 13, 14, 15, 16, 18, 19, 20, 21, 22

LIMITS = {1: ("CONST", "equal_to"), 2: ("LT", "lt"), 3: ("LTE", "lte"), 4: ("GT", "gt"),
          5: ("GTE", "gte")}

# member number -> presence bit and struct member
STRING_COUNTS = {19: ("LEN", "len"), 2: ("MIN_LEN", "min_len"), 3: ("MAX_LEN", "max_len"),
                 20: ("LEN_BYTES", "len_bytes"), 4: ("MIN_BYTES", "min_bytes"),
                 5: ("MAX_BYTES", "max_bytes")}
STRING_TEXTS = {1: "equal_to", 6: "pattern", 7: "prefix", 8: "suffix", 9: "contains",
                23: "not_contains"}
STRING_FORMATS = {12: "EMAIL", 13: "HOSTNAME", 14: "IP", 15: "IPV4", 16: "IPV6", 17: "URI",
                  18: "URI_REF", 21: "ADDRESS", 22: "UUID"}
BYTES_COUNTS = {13: ("LEN", "len"), 2: ("MIN_LEN", "min_len"), 3: ("MAX_LEN", "max_len")}
BYTES_TEXTS = {1: "equal_to", 4: "pattern", 5: "prefix", 6: "suffix", 7: "contains"}
BYTES_FORMATS = {10: "IP", 11: "IPV4", 12: "IPV6"}
HTTP_FORMATS = {1: "HTTP_HEADER_NAME", 2: "HTTP_HEADER_VALUE"}


def c_string(value):
    data = value.encode() if isinstance(value, str) else value
    out = ""
    for byte in data:
        char = chr(byte)
        out += char if 32 <= byte < 127 and char not in '"\\?' else f"\\{byte:03o}"
    return f'"{out}"'


def text(value):
    return f"{{{c_string(value)}, {len(value)}}}"


def span(raw):
    message = Message(raw)
    return f"{{{signed64(message.raw(1, 0))}, {signed32(message.raw(2, 0))}}}"


def present(bits):
    return " | ".join(f"PROTO_RULE_{bit}" for bit in bits) or "0"


def literal(kind, value):
    if kind == "FLOAT":
        return f"{{.d = {value!r}}}"
    if kind == "UNSIGNED":
        return f"{{.u = {value}u}}"
    # The most negative number has no literal of its own type in C.
    return "{.i = INT64_MIN}" if value == -(1 << 63) else f"{{.i = {value}}}"


def unpack(values, width=None):
    """A repeated scalar, which may have come packed."""
    for value in values:
        if width is not None:
            yield from (value[i:i + width] for i in range(0, len(value), width))
        elif isinstance(value, int):
            yield value
        else:
            pos = 0
            while pos < len(value):
                item, pos = read_varint(value, pos)
                yield item


class RuleWriter:
    """Appends one static table per rule to `out`; equal rules share one."""

    def __init__(self, out):
        self.out = out
        self.names = {}

    def emit(self, declaration, body):
        key = (declaration, body)
        if key not in self.names:
            self.names[key] = f"r{len(self.names)}"
            array = "[]" if body.startswith("{\n") else ""
            self.out.append(f"static const {declaration} {self.names[key]}{array} = {body};\n")
        return self.names[key]

    def list(self, declaration, items, member):
        items = list(items)
        if not items:
            return []
        body = "{\n" + "".join(f"    {item},\n" for item in items) + "}"
        return [f".{member} = {self.emit(declaration, body)}", f".{member}_count = {len(items)}"]

    def table(self, struct, bits, members):
        if bits is not None:
            members = [f".present = {present(bits)}"] + members
        return f"&{self.emit(f'struct {struct}', '{' + ', '.join(members) + '}')}"

    def field(self, rules):
        """`rules` is a FieldRules message; the result is an expression for its table."""
        message = rules.message(MESSAGE)
        kind, union, required = "NONE", None, bool(message.raw(REQUIRED, 0))
        for number, make in self.makers().items():
            if number in rules:
                kind, union, own_required = make(number, rules.message(number))
                required = required or own_required
        members = [f".kind = PROTO_RULES_{kind}"]
        if required:
            members.append(".is_required = true")
        if message.raw(SKIP, 0):
            members.append(".is_skipped = true")
        if union:
            members.append(f".as = {{.{union[0]} = {union[1]}}}")
        return self.table("proto_field_rules", None, members)

    def makers(self):
        makers = {number: self.number for number in NUMBERS}
        makers.update({BOOL: self.boolean, STRING: self.text, BYTES: self.text, ENUM: self.enum,
                       REPEATED: self.repeated, MAP: self.map, ANY: self.any,
                       DURATION: self.span, TIMESTAMP: self.span})
        return makers

    def number(self, number, rules):
        kind, read = NUMBERS[number]
        bits, members = [], []
        for field, (bit, member) in LIMITS.items():
            if field in rules:
                bits.append(bit)
                members.append(f".{member} = {literal(kind, read(rules.raw(field)))}")
        for field, member in ((6, "in"), (7, "not_in")):
            values = unpack(rules.raws(field), FIXED_WIDTH.get(number))
            members += self.list("union proto_number", (literal(kind, read(v)) for v in values), member)
        if rules.raw(8, 0):
            bits.append("IGNORE_EMPTY")
        return kind, ("number", self.table("proto_number_rules", bits, members)), False

    def boolean(self, _, rules):
        members = [f".equal_to = {str(bool(rules.raw(1))).lower()}"] if 1 in rules else []
        bits = ["CONST"] if 1 in rules else []
        return "BOOL", ("boolean", self.table("proto_bool_rules", bits, members)), False

    def text(self, number, rules):
        is_string = number == STRING
        counts, texts, formats, lists, ignore_empty = (
            (STRING_COUNTS, STRING_TEXTS, STRING_FORMATS, (10, 11), 26) if is_string else
            (BYTES_COUNTS, BYTES_TEXTS, BYTES_FORMATS, (8, 9), 14))
        bits, members = [], []
        for field, (bit, member) in counts.items():
            if field in rules:
                bits.append(bit)
                members.append(f".{member} = {rules.raw(field)}u")
        for field, member in texts.items():
            if field in rules:
                members.append(f".{member} = {text(rules.raw(field))}")
                bits += ["CONST"] if member == "equal_to" else []
        for field, member in zip(lists, ("in", "not_in")):
            members += self.list("struct proto_rule_text", map(text, rules.raws(field)), member)
        for field, name in formats.items():
            if rules.raw(field, 0):
                members.append(f".format = PROTO_STRING_{name}")
        if is_string and rules.raw(24, 0):
            members.append(f".format = PROTO_STRING_{HTTP_FORMATS[rules.raw(24)]}")
            members.append(f".is_strict = {str(bool(rules.raw(25, 1))).lower()}")
        if rules.raw(ignore_empty, 0):
            bits.append("IGNORE_EMPTY")
        kind = "STRING" if is_string else "BYTES"
        return kind, ("text", self.table("proto_text_rules", bits, members)), False

    def enum(self, _, rules):
        bits, members = [], []
        if 1 in rules:
            bits.append("CONST")
            members.append(f".equal_to = {signed32(rules.raw(1))}")
        if rules.raw(2, 0):
            bits.append("DEFINED_ONLY")
        for field, member in ((3, "in"), (4, "not_in")):
            values = (str(signed32(v)) for v in unpack(rules.raws(field)))
            members += self.list("int32_t", values, member)
        return "ENUM", ("enumeration", self.table("proto_enum_rules", bits, members)), False

    def counts(self, rules):
        bits, members = [], []
        for field, bit, member in ((1, "MIN_ITEMS", "min_items"), (2, "MAX_ITEMS", "max_items")):
            if field in rules:
                bits.append(bit)
                members.append(f".{member} = {rules.raw(field)}u")
        return bits, members

    def nested(self, rules, number, member):
        if number not in rules:
            return []
        return [f".{member} = {self.field(rules.message(number))}"]

    def repeated(self, _, rules):
        bits, members = self.counts(rules)
        bits += ["UNIQUE"] if rules.raw(3, 0) else []
        bits += ["IGNORE_EMPTY"] if rules.raw(5, 0) else []
        members += self.nested(rules, 4, "items")
        return "REPEATED", ("repeated", self.table("proto_repeated_rules", bits, members)), False

    def map(self, _, rules):
        bits, members = self.counts(rules)
        bits += ["NO_SPARSE"] if rules.raw(3, 0) else []
        bits += ["IGNORE_EMPTY"] if rules.raw(6, 0) else []
        members += self.nested(rules, 4, "keys") + self.nested(rules, 5, "values")
        return "MAP", ("map", self.table("proto_map_rules", bits, members)), False

    def any(self, _, rules):
        members = []
        for field, member in ((2, "in"), (3, "not_in")):
            members += self.list("struct proto_rule_text", map(text, rules.raws(field)), member)
        union = ("any", self.table("proto_any_rules", None, members)) if members else None
        return "ANY", union, bool(rules.raw(1, 0))

    def span(self, number, rules):
        bits, members = [], []
        for field, (bit, member) in LIMITS.items():
            if field + 1 in rules:
                bits.append(bit)
                members.append(f".{member} = {span(rules.raw(field + 1))}")
        if number == DURATION:
            for field, member in ((7, "in"), (8, "not_in")):
                members += self.list("struct proto_span", map(span, rules.raws(field)), member)
        else:
            bits += ["LT_NOW"] if rules.raw(7, 0) else []
            bits += ["GT_NOW"] if rules.raw(8, 0) else []
            if 9 in rules:
                bits.append("WITHIN")
                members.append(f".within = {span(rules.raw(9))}")
        kind = "DURATION" if number == DURATION else "TIMESTAMP"
        union = ("span", self.table("proto_span_rules", bits, members)) if bits or members else None
        return kind, union, bool(rules.raw(1, 0))
