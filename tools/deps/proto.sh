#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Envoy's API as C: descriptors out of pinned packages, protoc-c over them, one static library.
# The exact set of Envoy's release comes from Go modules whose .pb.go files embed it; where no Go
# toolchain can be had, the Python package alone serves, which lags by a few fields.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
source "$deps_dir/go.sh"

proto_dir="$root_dir/proto"
lock="$proto_dir/api.lock"
recipe=("$deps_dir/proto.sh" "$deps_dir/proto/CMakeLists.txt" "$lock" "$proto_dir/api.list"
    "$proto_dir/dump_descriptors.py" "$proto_dir/descriptor_wire.py")

key=$(compiler_identity | key_of "${recipe[@]}")
exact="$cache_dir/proto-$key"
lagging="$cache_dir/proto-$key-lagging"

# fetch_go_modules GO FILE : writes one unpacked folder per line; fails if any cannot be had.
fetch_go_modules() {
    local go=$1 out=$2 kind module version sum json
    : > "$out"
    while read -r kind module version sum; do
        [ "$kind" = go ] || continue
        say "fetching Go module $module $version"
        json=$(cd "$cache_dir" && GOFLAGS=-mod=mod GOTOOLCHAIN=local \
            "$go" mod download -json "$module@$version") || return 1
        if ! grep -q "\"Sum\": \"$sum\"" <<< "$json"; then
            say "$module $version does not have the pinned hash $sum"
            return 1
        fi
        sed -n 's/^.*"Dir": "\(.*\)".*$/\1/p' <<< "$json" >> "$out"
    done < "$lock"
}

fetch_wheels() {
    local kind package version sum
    while read -r kind package version sum; do
        [ "$kind" = pypi ] || continue
        pip_fetch "$work/wheels" "$sum" "$package==$version" --only-binary :all: \
            --platform any --python-version 3.11
    done < "$lock"
    for wheel in "$work"/wheels/*.whl; do
        "$deps_python" -m zipfile -e "$wheel" "$work/python"
    done
}

# build SET_NAME TARGET [GO_FOLDER...]
build() {
    local name=$1 target=$2 files expected actual
    shift 2
    fetch_wheels
    "$deps_python" "$proto_dir/dump_descriptors.py" --list "$proto_dir/api.list" \
        --python "$work/python" --go "$@" --out "$work/api.bin" --names "$work/names.txt"
    expected=$(sed -n "s/^set $name //p" "$lock")
    actual=$(sha256sum < "$work/api.bin" | cut -d ' ' -f 1)
    if [ "$expected" != "$actual" ]; then
        say "the descriptors of '$name' hash to $actual, proto/api.lock says ${expected:-nothing}"
        exit 1
    fi
    mapfile -t files < "$work/names.txt"
    mkdir -p "$work/c"
    protoc-c --descriptor_set_in="$work/api.bin" --c_out="$work/c" "${files[@]}"
    say "building the API's C code (${#files[@]} files): about a minute of CPU time, once"
    cmake -S "$deps_dir/proto" -B "$work/build" -G Ninja -DCMAKE_BUILD_TYPE=Release \
        -DCMAKE_C_COMPILER="$deps_cc" -DPROTO_SOURCE="$work/c" \
        -DCMAKE_INSTALL_PREFIX="$work/install" >&2
    NINJA_STATUS='[proto %f/%t %es] ' ninja -C "$work/build" -j "$jobs" install >&2
    cp "$work/api.bin" "$work/names.txt" "$work/install/"
    echo "$name" > "$work/install/api_set.txt"
    list_symbols > "$work/install/symbols.txt"
    mv -T "$work/install" "$target"
    say "Envoy API '$name' is in $target"
}

# "<full name> <C symbol>" of every message and enum descriptor in the generated code.
list_symbols() {
    find "$work/c" -name '*.pb-c.c' -print0 | sort -z | xargs -0 cat | awk '
        /^const ProtobufC(Message|Enum)Descriptor / { symbol = $3; next }
        symbol != "" && /^  "/ { gsub(/[",]/, "", $1); print $1, symbol; symbol = "" }' | sort
}

if [ ! -e "$exact/symbols.txt" ]; then
    take_lock proto
fi
if [ ! -e "$exact/symbols.txt" ]; then
    work=$(mktemp -d "$cache_dir/.proto.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    go=$(go_command)
    if [ -n "$go" ] && fetch_go_modules "$go" "$work/go_folders.txt"; then
        mapfile -t go_folders < "$work/go_folders.txt"
        build "envoy-1.40.0" "$exact" "${go_folders[@]}"
    elif [ ! -e "$lagging/symbols.txt" ]; then
        say "no Go modules: the API of xds-protos 1.85.0 is used, which lags Envoy 1.40 slightly"
        build "xds-protos-1.85.0" "$lagging"
    fi
fi
if [ -e "$exact/symbols.txt" ]; then
    echo "$exact"
else
    echo "$lagging"
fi
