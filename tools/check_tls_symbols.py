#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Two TLS libraries in one binary: counts the symbols of one that are bound into the other.

OWN_PLAIN     a TLS symbol without our prefix is defined in the binary: libssl.so or libgrpc could
              bind to it, or the code that wants libssl.so got BoringSSL
FOREIGN       an undefined TLS symbol that neither libssl.so.3 nor libcrypto.so.3 provides
PREFIXED_GONE a prefixed symbol is undefined, or exported to the dynamic linker

The list of TLS names is not guessed: it is what libssl.so.3 and libcrypto.so.3 export, and what the
prefixed archives define with the prefix taken off.

  check_tls_symbols.py BINARY PREFIX ARCHIVE...
"""

import re
import subprocess
import sys


def nm(path, *options):
    result = subprocess.run(["nm", "-P", *options, path], check=True, text=True, capture_output=True)
    for line in result.stdout.splitlines():
        parts = line.split()
        if len(parts) >= 2 and len(parts[1]) == 1:
            yield parts[0].split("@")[0], parts[1]


def shared_libraries(binary):
    output = subprocess.run(["ldd", binary], check=True, text=True, capture_output=True).stdout
    found = dict(re.findall(r"(lib(?:ssl|crypto)\.so\.\d+) => (\S+)", output))
    return list(found.values())


def main():
    binary, prefix, archives = sys.argv[1], sys.argv[2] + "_", sys.argv[3:]
    openssl = {name for library in shared_libraries(binary)
               for name, kind in nm(library, "-D", "--defined-only") if kind in "TDBRVWi"}
    # Names mangled by C++ hold their library's namespace, so plain C names are what can collide.
    boring = {name[len(prefix):] for archive in archives
              for name, kind in nm(archive, "--defined-only") if name.startswith(prefix)}
    names = openssl | boring

    findings = []
    for name, kind in nm(binary):
        # A lower-case kind is a local symbol (a static inline of the headers): nothing can bind to it.
        if name in names and kind in "TDBRGSCVWiu":
            findings.append(f"OWN_PLAIN: {name} ({kind})")
        if name in boring - openssl and kind == "U":
            findings.append(f"FOREIGN: {name}")
        if name.startswith(prefix) and kind == "U":
            findings.append(f"PREFIXED_GONE: {name} is undefined")
    for name, kind in nm(binary, "-D"):
        if name.startswith(prefix):
            findings.append(f"PREFIXED_GONE: {name} is exported")
    for finding in findings[:50]:
        print(f"{binary}: {finding}")
    print(f"{len(names)} TLS names, {len(findings)} bound across the two libraries")
    if not boring:
        print("the archives define no symbol with the prefix: nothing was compared")
    sys.exit(1 if findings or not boring else 0)


if __name__ == "__main__":
    main()
