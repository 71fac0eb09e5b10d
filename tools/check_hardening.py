#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Judges a release binary by what readelf says, not by the flags that were meant to be used.

PIE, RELRO, BIND_NOW, NX, CANARY, FORTIFY, RPATH, WRITABLE_CODE, ZERO_REGISTERS
"""

import re
import subprocess
import sys


def readelf(binary, *options):
    return subprocess.run(["readelf", "-W", *options, binary], check=True, text=True,
                          capture_output=True).stdout


def main():
    binary = sys.argv[1]
    header, program, dynamic = readelf(binary, "-h"), readelf(binary, "-l"), readelf(binary, "-d")
    symbols = readelf(binary, "--dyn-syms")
    # One function that every build has: the loop each thread runs.
    loop = subprocess.run(["objdump", "-d", "--no-show-raw-insn", "--disassemble=event_loop_run", binary],
                          check=True, text=True, capture_output=True).stdout
    stack = re.search(r"GNU_STACK.*", program)
    checks = [
        ("PIE", "DYN" in header and "PIE" in dynamic),
        ("RELRO", "GNU_RELRO" in program),
        ("BIND_NOW", "BIND_NOW" in dynamic or re.search(r"FLAGS.*NOW", dynamic)),
        ("NX", stack and "RWE" not in stack.group()),
        ("CANARY", "__stack_chk_fail" in symbols),
        ("FORTIFY", re.search(r"__\w+_chk\b", symbols.replace("__stack_chk_fail", ""))),
        ("RPATH", "RPATH" not in dynamic and "RUNPATH" not in dynamic),
        ("ZERO_REGISTERS", re.search(r"xor +%(\w+),%\1\n.*\bret", loop) or "ret" not in loop),
        ("WRITABLE_CODE", not re.search(r"LOAD.*RWE", program)),
    ]
    bad = [name for name, passed in checks if not passed]
    for name in bad:
        print(f"{binary}: {name}: not as it must be")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
