#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes src/http/header_id_table.h, the perfect hash of the well-known header names.

Run it after a change to HEADER_IDS in src/http/header_map.h; header_map_test fails until then.
"""
import pathlib
import random
import re

SIZE = 512
ROOT = pathlib.Path(__file__).resolve().parent.parent


def features(name):
    length = len(name)
    return length, ord(name[length // 2]), ord(name[-1]), ord(name[length * 3 // 4])


def search(names):
    """Multipliers under which no two names share a slot; repeatable."""
    rng = random.Random(1)
    points = [features(name) for _, name in names]
    while True:
        factors = [rng.randrange(1, SIZE) for _ in range(4)]
        slots = {sum(f * p for f, p in zip(factors, point)) % SIZE for point in points}
        if len(slots) == len(points):
            return factors


def main():
    header = (ROOT / "src/http/header_map.h").read_text()
    names = re.findall(r'X\((\w+),\s*"([^"]+)"\)', header)
    factors = search(names)
    slots = {}
    for ident, name in names:
        slots[sum(f * p for f, p in zip(factors, features(name))) % SIZE] = ident
    lines = [
        "// SPDX-License-Identifier: Apache-2.0",
        "/*",
        " * Perfect hash of the well-known header names, made by tools/gen_header_ids.py from HEADER_IDS.",
        " * A slot gives the only id that a name may have; the caller still compares the name.",
        " */",
        "#ifndef SRC_HTTP_HEADER_ID_TABLE_H",
        "#define SRC_HTTP_HEADER_ID_TABLE_H",
        "",
        '#include "src/http/header_map.h"',
        "",
        f"enum {{ HEADER_ID_SLOTS = {SIZE} }};",
        "",
        "static inline uint32_t header_id_slot(const uint8_t *name, size_t len)",
        "{",
        f"    size_t hash = len * {factors[0]}U + name[len / 2] * {factors[1]}U +",
        f"                  name[len - 1] * {factors[2]}U + name[len * 3 / 4] * {factors[3]}U;",
        "    return (uint32_t)(hash % HEADER_ID_SLOTS);",
        "}",
        "",
        "static const uint8_t header_id_slots[HEADER_ID_SLOTS] = {",
    ]
    lines += [f"    [{slot}] = HEADER_{slots[slot]}," for slot in sorted(slots)]
    lines += ["};", "", "#endif", ""]
    (ROOT / "src/http/header_id_table.h").write_text("\n".join(lines))


if __name__ == "__main__":
    main()
