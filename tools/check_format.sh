#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every C file is as clang-format leaves it. `tools/check_format.sh --fix` makes it so.
set -euo pipefail
cd "$(dirname "$0")/.."

mapfile -d '' files < <(find src xds filters proto tools tests cmake \
    \( -name '*.c' -o -name '*.h' -o -name '*.cc' \) -print0 2> /dev/null)
[ "${#files[@]}" -gt 0 ] || exit 0
if [ "${1:-}" = --fix ]; then
    exec clang-format -i "${files[@]}"
fi
exec clang-format --dry-run -Werror "${files[@]}"
