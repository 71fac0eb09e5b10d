#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds BoringSSL, static and with every symbol prefixed, from the copy inside gRPC's Python
# source package: that is the one pinned, hash-checked archive of current BoringSSL in a registry.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

version=1.85.1
sha256=5f530287d5de5f7f66089ead81de44f6787162944dab3922efa65dfdff108a1d
recipe=("$deps_dir/boringssl.sh" "$deps_dir/boringssl/CMakeLists.txt")

key=$({ echo "$sha256"; compiler_identity; } | key_of "${recipe[@]}")
target="$cache_dir/boringssl-$key"
if [ -e "$target/lib/libssl.a" ]; then
    echo "$target"
    exit 0
fi

take_lock boringssl
if [ ! -e "$target/lib/libssl.a" ]; then
    work=$(mktemp -d "$cache_dir/.boringssl.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    # Only this package from source: its build requirements may come as wheels, so pip, which
    # insists on asking a source package for its metadata, needs seconds and no compiler.
    pip_fetch "$work" "$sha256" "grpcio==$version" --no-binary grpcio
    say "unpacking BoringSSL"
    tar -xzf "$work/grpcio-$version.tar.gz" -C "$work" \
        "grpcio-$version/third_party/boringssl-with-bazel" \
        "grpcio-$version/src/python/grpcio/grpc_core_dependencies.py" "grpcio-$version/LICENSE"
    source_dir="$work/grpcio-$version/third_party/boringssl-with-bazel"
    sed -n "s|^ *'third_party/boringssl-with-bazel/\(.*\.cc\)',\$|\1|p" \
        "$work/grpcio-$version/src/python/grpcio/grpc_core_dependencies.py" \
        > "$source_dir/sources.txt"
    # Tables of secret points are read in vectors of 32 bytes. For a target that has none (x86-64
    # without AVX2, NEON) gcc fills one byte by byte, and an ECDSA signature takes twice the time.
    internal="$source_dir/crypto/internal.h"
    sed -i '/^inline void constant_time_conditional_memxor/,/^}/ {
        s/v32u8/v16u8/g; s/vector_size(32)/vector_size(16)/
        s/(size_t)31/(size_t)15/; s/i += 32/i += 16/ }' "$internal"
    if [ "$(grep -cE 'v16u8|vector_size\(16\)|\(size_t\)15|i \+= 16' "$internal")" != 5 ]; then
        say "constant_time_conditional_memxor is not what it was: look at the edit above"
        exit 1
    fi
    say "building BoringSSL: about five minutes of CPU time, once"
    cmake -S "$deps_dir/boringssl" -B "$work/build" -G Ninja -DCMAKE_BUILD_TYPE=Release \
        -DCMAKE_C_COMPILER="$deps_cc" -DCMAKE_CXX_COMPILER="$deps_cxx" \
        -DBORINGSSL_SOURCE="$source_dir" -DCMAKE_INSTALL_PREFIX="$work/install" >&2
    NINJA_STATUS='[boringssl %f/%t %es] ' ninja -C "$work/build" -j "$jobs" install >&2
    mv -T "$work/install" "$target"
    say "BoringSSL is in $target"
fi
echo "$target"
