# SPDX-License-Identifier: Apache-2.0
"""Collects the descriptors of Envoy's API into one FileDescriptorSet.

Two sources carry the same serialized descriptors: Python modules (the wheels xds-protos and
protobuf, unpacked) and Go modules (.pb.go files). Neither is executed; the byte literals are read
from the source text. With Go sources the result is exactly Envoy's release; without them it lags by
a few fields.

  dump_descriptors.py --list api.list --python FOLDER... [--go FOLDER...] --out SET --names NAMES
"""

import argparse
import ast
import fnmatch
import pathlib
import re
import sys

from descriptor_wire import BYTES, Message, encode_bytes

NAME, DEPENDENCY, MESSAGE_TYPE = 1, 3, 4
FIELD, NESTED_TYPE = 2, 3
FIELD_NAME, FIELD_TYPE_NAME, FIELD_JSON_NAME, FIELD_PROTO3_OPTIONAL = 1, 6, 10, 17

# Members that every generated C struct already has: such a field gets an underscore, and keeps its
# JSON name, from which the tables restore the original.
RESERVED_FIELD_NAMES = {"base"}


def python_literals(text):
    """The serialized descriptors in a _pb2.py module."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "AddSerializedFile":
            if node.args and isinstance(node.args[0], ast.Constant):
                yield node.args[0].value


GO_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
GO_ESCAPE = re.compile(r'\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3}|.)', re.S)
GO_SIMPLE = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92, "'": 39, '"': 34}


def go_unquote(body):
    out, pos = bytearray(), 0
    for match in GO_ESCAPE.finditer(body):
        out += body[pos:match.start()].encode()
        escape = match.group(1)
        if escape[0] == "x":
            out.append(int(escape[1:], 16))
        elif escape[0] in "uU":
            out += chr(int(escape[1:], 16)).encode()
        elif escape.isdigit():
            out.append(int(escape, 8))
        else:
            out.append(GO_SIMPLE[escape])
        pos = match.end()
    return bytes(out + body[pos:].encode())


def go_literals(text):
    """The serialized descriptor in a .pb.go file, in both forms that protoc-gen-go has written."""
    for match in re.finditer(r'^(?:const|var) file_\w+_rawDesc = (.*)$', text, re.M):
        if match.group(1).startswith("[]byte"):
            body = text[match.end():text.index("\n}", match.end())]
            yield bytes(int(value, 16) for value in re.findall(r'0x([0-9a-f]{2})', body))
            continue
        parts, pos = [], match.start(1)
        while True:
            string = GO_STRING.search(text, pos)
            parts.append(go_unquote(string.group(1)))
            pos = string.end()
            if not re.match(r'\s*\+', text[pos:pos + 4]):
                break
        yield b"".join(parts)


def load(folder, pattern, literals):
    files = {}
    for path in sorted(pathlib.Path(folder).rglob(pattern)):
        for data in literals(path.read_text(encoding="utf-8")):
            files[Message(data).text(NAME)] = data
    return files


def read_list(path):
    lines = (line.split("#")[0].strip() for line in path.read_text().splitlines())
    include, exclude = [], []
    for line in filter(None, lines):
        (exclude if line.startswith("!") else include).append(line.lstrip("!"))
    return include, exclude


def select(files, include, exclude):
    def wanted(name):
        return (any(fnmatch.fnmatchcase(name, p) for p in include)
                and not any(fnmatch.fnmatchcase(name, p) for p in exclude))
    return sorted(filter(wanted, files))


def closure(files, roots):
    """Roots and all that they import, dependencies first. A root whose import is gone is dropped."""
    order, state, dropped = [], {}, []

    def visit(name):
        if name in state:
            return state[name]
        if name not in files:
            return False
        state[name] = True
        message = Message(files[name])
        state[name] = all([visit(dependency) for dependency in message.texts(DEPENDENCY)])
        if state[name]:
            order.append(name)
        return state[name]

    for root in roots:
        if not visit(root):
            dropped.append(root)
    return order, dropped


def defined_types(message, prefix, names):
    for number in (MESSAGE_TYPE, 5):
        for kind in message.messages(number):
            collect_type(kind, prefix, names, number == MESSAGE_TYPE)


def collect_type(kind, prefix, names, is_message):
    name = f"{prefix}.{kind.text(1)}"
    names.add(name)
    if is_message:
        for nested in kind.messages(NESTED_TYPE):
            collect_type(nested, name, names, True)
        for enum in kind.messages(4):
            collect_type(enum, name, names, False)


def used_types(data):
    used = set()

    def walk(kind):
        for field in kind.messages(FIELD):
            if FIELD_TYPE_NAME in field:
                used.add(field.text(FIELD_TYPE_NAME))
        for nested in kind.messages(NESTED_TYPE):
            walk(nested)

    for kind in Message(data).messages(MESSAGE_TYPE):
        walk(kind)
    return used


def drop_dangling(files):
    """Files left over from an older source may name types that a newer one has removed."""
    while True:
        names = set()
        for data in files.values():
            message = Message(data)
            package = message.text(2)
            defined_types(message, f".{package}" if package else "", names)
        bad = [name for name, data in files.items() if used_types(data) - names]
        if not bad:
            return
        for name in bad:
            print(f"dump_descriptors: {name} left out: names types that are gone", file=sys.stderr)
            del files[name]


def adapt_field(raw):
    """A field that protoc-c 1.4 can compile: see RESERVED_FIELD_NAMES; and it knows no proto3
    `optional`, whose synthetic oneof of one member says the same once the mark is gone."""
    field = Message(raw)
    name = field.text(FIELD_NAME)
    if name not in RESERVED_FIELD_NAMES and FIELD_PROTO3_OPTIONAL not in field:
        return raw
    field.order = [entry for entry in field.order if entry[0] != FIELD_PROTO3_OPTIONAL]
    if name in RESERVED_FIELD_NAMES:
        field.order = [entry for entry in field.order if entry[0] not in (1, FIELD_JSON_NAME)]
        field.order.insert(0, (FIELD_NAME, BYTES, f"{name}_".encode()))
        field.order.append((FIELD_JSON_NAME, BYTES, name.encode()))
    return field.encode()


def adapt(raw, level="file"):
    """The descriptor with its fields adapted; the bytes are kept where nothing is changed."""
    message = Message(raw)
    changed = False
    for index, (number, wire, value) in enumerate(message.order):
        if (level, number) in (("file", MESSAGE_TYPE), ("message", NESTED_TYPE)):
            new = adapt(value, "message")
        elif (level, number) == ("message", FIELD):
            new = adapt_field(value)
        else:
            continue
        if new is not value:
            message.order[index] = (number, wire, new)
            changed = True
    return message.encode() if changed else raw


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--list", type=pathlib.Path, required=True)
    parser.add_argument("--python", nargs="+", default=[])
    parser.add_argument("--go", nargs="*", default=[])
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--names", type=pathlib.Path, required=True)
    options = parser.parse_args()

    files = {}
    for folder in options.python:
        files.update(load(folder, "*_pb2.py", python_literals))
    for folder in options.go:
        files.update(load(folder, "*.pb.go", go_literals))

    include, exclude = read_list(options.list)
    drop_dangling(files)
    order, dropped = closure(files, select(files, include, exclude))
    for name in dropped:
        print(f"dump_descriptors: {name} left out: an import is missing", file=sys.stderr)
    if not order:
        sys.exit("dump_descriptors: no file matches the list")

    options.out.write_bytes(b"".join(encode_bytes(1, adapt(files[n])) for n in order))
    options.names.write_text("".join(f"{name}\n" for name in order))
    print(f"dump_descriptors: {len(order)} files", file=sys.stderr)


if __name__ == "__main__":
    main()
