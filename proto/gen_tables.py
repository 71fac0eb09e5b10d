# SPDX-License-Identifier: Apache-2.0
"""Writes the C tables of proto_tables.h from the descriptors.

  gen_tables.py --set api.bin --symbols symbols.txt --name SET_NAME --out tables.c
"""

import argparse
import pathlib

from descriptor_wire import Message, signed32
from gen_rules import RuleWriter, c_string

# google.protobuf descriptor field numbers
FILE_PACKAGE, FILE_MESSAGE, FILE_ENUM, FILE_EXTENSION = 2, 4, 5, 7
MSG_NAME, MSG_FIELD, MSG_NESTED, MSG_ENUM, MSG_OPTIONS, MSG_ONEOF = 1, 2, 3, 4, 7, 8
FLD_NAME, FLD_NUMBER, FLD_LABEL, FLD_TYPE, FLD_TYPE_NAME = 1, 3, 4, 5, 6
FLD_OPTIONS, FLD_ONEOF, FLD_JSON_NAME = 8, 9, 10
ONEOF_NAME, ONEOF_OPTIONS = 1, 2
ENUM_NAME, ENUM_VALUE, VALUE_NUMBER, VALUE_OPTIONS = 1, 2, 2, 3
OPT_FIELD_DEPRECATED, OPT_MSG_DEPRECATED, OPT_MAP_ENTRY, OPT_VALUE_DEPRECATED = 3, 3, 7, 1
LABEL_REPEATED, TYPE_MESSAGE, TYPE_ENUM = 3, 11, 14

EXTENSIONS = {
    "rules": ("validate.rules", "FieldOptions"),
    "oneof_required": ("validate.required", "OneofOptions"),
    "disabled": ("validate.disabled", "MessageOptions"),
    "ignored": ("validate.ignored", "MessageOptions"),
    "sensitive": ("udpa.annotations.sensitive", "FieldOptions"),
    "xds_sensitive": ("xds.annotations.v3.sensitive", "FieldOptions"),
    "disallowed": ("envoy.annotations.disallowed_by_default", "FieldOptions"),
    "since": ("envoy.annotations.deprecated_at_minor_version", "FieldOptions"),
    "enum_disallowed": ("envoy.annotations.disallowed_by_default_enum", "EnumValueOptions"),
    "enum_since": ("envoy.annotations.deprecated_at_minor_version_enum", "EnumValueOptions"),
    "field_status": ("xds.annotations.v3.field_status", "FieldOptions"),
    "message_status": ("xds.annotations.v3.message_status", "MessageOptions"),
}


def json_name(name):
    """protoc's rule: an underscore goes, and the letter after it is a capital."""
    out, upper = "", False
    for char in name:
        if char == "_":
            upper = True
        else:
            out += char.upper() if upper else char
            upper = False
    return out


class Tables:
    def __init__(self, files, symbols):
        self.symbols = symbols
        self.messages, self.enums = {}, {}
        self.numbers = {}
        for file in files:
            package = file.text(FILE_PACKAGE)
            for extension in file.messages(FILE_EXTENSION):
                key = (f"{package}.{extension.text(1)}", extension.text(2).rsplit(".", 1)[-1])
                self.numbers[key] = extension.raw(FLD_NUMBER)
            self.collect(file, package, FILE_MESSAGE, FILE_ENUM)
        self.numbers = {key: self.numbers[name] for key, name in EXTENSIONS.items()}

    def collect(self, scope, prefix, message_number, enum_number):
        dot = f"{prefix}." if prefix else ""
        for message in scope.messages(message_number):
            name = dot + message.text(MSG_NAME)
            self.messages[name] = message
            self.collect(message, name, MSG_NESTED, MSG_ENUM)
        for enum in scope.messages(enum_number):
            self.enums[dot + enum.text(ENUM_NAME)] = enum

    def flag(self, options, extension):
        return bool(options.raw(self.numbers[extension], 0))

    def is_wip(self, options, extension):
        return bool(options.message(self.numbers[extension]).raw(1, 0))


def is_synthetic_oneof(message, index):
    """proto3 `optional`: a oneof "_x" whose only member is x (dump_descriptors.py made it so)."""
    members = [f for f in message.messages(MSG_FIELD) if f.raw(FLD_ONEOF, -1) == index]
    name = message.messages(MSG_ONEOF)[index].text(ONEOF_NAME)
    return len(members) == 1 and name == f"_{members[0].text(FLD_NAME)}"


class Writer:
    def __init__(self, tables, out):
        self.tables = tables
        self.out = out
        self.message_index = {name: i for i, name in enumerate(sorted(tables.messages))}
        self.enum_index = {name: i for i, name in enumerate(sorted(tables.enums))}
        self.rules = RuleWriter(out)

    def field_flags(self, message, field, options):
        tables, flags = self.tables, []
        if tables.flag(options, "sensitive") or tables.flag(options, "xds_sensitive"):
            flags.append("PROTO_FIELD_SENSITIVE")
        if options.raw(OPT_FIELD_DEPRECATED, 0):
            flags.append("PROTO_FIELD_DEPRECATED")
        if tables.flag(options, "disallowed"):
            flags.append("PROTO_FIELD_DISALLOWED_BY_DEFAULT")
        if tables.is_wip(options, "field_status"):
            flags.append("PROTO_FIELD_WORK_IN_PROGRESS")
        if self.is_map(field):
            flags.append("PROTO_FIELD_MAP")
        if FLD_ONEOF in field:
            synthetic = is_synthetic_oneof(message, field.raw(FLD_ONEOF))
            flags.append("PROTO_FIELD_OPTIONAL" if synthetic else "PROTO_FIELD_ONEOF")
        return flags

    def is_map(self, field):
        if field.raw(FLD_TYPE) != TYPE_MESSAGE or field.raw(FLD_LABEL) != LABEL_REPEATED:
            return False
        entry = self.tables.messages[field.text(FLD_TYPE_NAME)[1:]]
        return bool(entry.message(MSG_OPTIONS).raw(OPT_MAP_ENTRY, 0))

    def field_row(self, message, field, oneofs):
        options = field.message(FLD_OPTIONS)
        original = field.text(FLD_NAME)
        json = field.text(FLD_JSON_NAME) or json_name(original)
        # A name with '_' at its end was changed for the compiler; its JSON name was left alone.
        if original.endswith("_") and json == original[:-1]:
            original = json
        since = options.text(self.tables.numbers["since"])
        raw_rules = options.raws(self.tables.numbers["rules"])
        rules = self.rules.field(Message(b"".join(raw_rules))) if raw_rules else "NULL"
        kind, target = field.raw(FLD_TYPE), field.text(FLD_TYPE_NAME)[1:]
        child = f"&proto_message_table[{self.message_index[target]}]" if kind == TYPE_MESSAGE else "NULL"
        enum = f"&enums[{self.enum_index[target]}]" if kind == TYPE_ENUM else "NULL"
        flags = " | ".join(self.field_flags(message, field, options)) or "0"
        oneof = oneofs.get(field.raw(FLD_ONEOF, -1), -1)
        return (f"    {{{c_string(original)}, {c_string(json)}, {c_string(since) if since else 'NULL'}, "
                f"{rules}, {child}, {enum}, {flags}, {oneof}}},\n")

    def message(self, index, name):
        """The field and oneof tables of one message; returns its row."""
        tables, message = self.tables, self.tables.messages[name]
        oneofs, oneof_rows = {}, ""
        for number, oneof in enumerate(message.messages(MSG_ONEOF)):
            if not is_synthetic_oneof(message, number):
                oneofs[number] = len(oneofs)
                required = tables.flag(oneof.message(ONEOF_OPTIONS), "oneof_required")
                oneof_rows += f"    {{{c_string(oneof.text(ONEOF_NAME))}, {str(required).lower()}}},\n"
        fields = sorted(message.messages(MSG_FIELD), key=lambda field: field.raw(FLD_NUMBER))
        rows = "".join(self.field_row(message, field, oneofs) for field in fields)
        if rows:
            self.out.append(f"static const struct proto_field_info f{index}[] = {{\n{rows}}};\n")
        if oneof_rows:
            self.out.append(f"static const struct proto_oneof_info o{index}[] = {{\n{oneof_rows}}};\n")
        options, flags = message.message(MSG_OPTIONS), []
        for condition, flag in (
                (options.raw(OPT_MAP_ENTRY, 0), "PROTO_MESSAGE_MAP_ENTRY"),
                (tables.flag(options, "disabled"), "PROTO_MESSAGE_RULES_DISABLED"),
                (tables.flag(options, "ignored"), "PROTO_MESSAGE_RULES_IGNORED"),
                (options.raw(OPT_MSG_DEPRECATED, 0), "PROTO_MESSAGE_DEPRECATED"),
                (tables.is_wip(options, "message_status"), "PROTO_MESSAGE_WORK_IN_PROGRESS")):
            if condition:
                flags.append(flag)
        return (f"    {{{c_string(name)}, &{tables.symbols[name]}, {f'f{index}' if rows else 'NULL'}, "
                f"{f'o{index}' if oneof_rows else 'NULL'}, {len(oneofs)}, {' | '.join(flags) or 0}}},\n")

    def enum(self, index, name):
        tables, rows, count = self.tables, "", 0
        for value in tables.enums[name].messages(ENUM_VALUE):
            options = value.message(VALUE_OPTIONS)
            flags = []
            if options.raw(OPT_VALUE_DEPRECATED, 0):
                flags.append("PROTO_ENUM_VALUE_DEPRECATED")
            if tables.flag(options, "enum_disallowed"):
                flags.append("PROTO_ENUM_VALUE_DISALLOWED_BY_DEFAULT")
            if flags:
                since = options.text(tables.numbers["enum_since"])
                rows += (f"    {{{signed32(value.raw(VALUE_NUMBER, 0))}, {' | '.join(flags)}, "
                         f"{c_string(since) if since else 'NULL'}}},\n")
                count += 1
        if rows:
            self.out.append(f"static const struct proto_enum_value_info e{index}[] = {{\n{rows}}};\n")
        return (f"    {{{c_string(name)}, &{tables.symbols[name]}, "
                f"{f'e{index}' if rows else 'NULL'}, {count}}},\n")

    def write(self):
        symbols = self.tables.symbols
        for name in sorted(self.tables.messages):
            self.out.append(f"extern const ProtobufCMessageDescriptor {symbols[name]};\n")
        for name in sorted(self.tables.enums):
            self.out.append(f"extern const ProtobufCEnumDescriptor {symbols[name]};\n")
        enum_rows = [self.enum(i, name) for name, i in self.enum_index.items()]
        self.out.append(f"static const struct proto_enum_info enums[] = {{\n{''.join(enum_rows)}}};\n")
        rows = [self.message(i, name) for name, i in self.message_index.items()]
        self.out.append(f"const struct proto_message_info proto_message_table[] = {{\n"
                        f"{''.join(rows)}}};\n"
                        f"const size_t proto_message_table_size = {len(rows)};\n")


def main():
    parser = argparse.ArgumentParser()
    for name in ("--set", "--symbols", "--out"):
        parser.add_argument(name, type=pathlib.Path, required=True)
    parser.add_argument("--name", required=True)
    options = parser.parse_args()

    symbols = dict(line.split() for line in options.symbols.read_text().splitlines())
    tables = Tables(Message(options.set.read_bytes()).messages(1), symbols)
    out = ["/* Written by proto/gen_tables.py from the API's descriptors. */\n",
           '#include "proto/proto_rules.h"\n#include "proto/proto_tables.h"\n\n',
           f"const char proto_api_set_name[] = {c_string(options.name)};\n"]
    Writer(tables, out).write()
    options.out.write_text("".join(out))


if __name__ == "__main__":
    main()
