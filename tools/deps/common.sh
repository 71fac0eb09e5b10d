# SPDX-License-Identifier: Apache-2.0
# Shared by the scripts of this folder: where the cache is, how to say what happens, how to fetch.
# Each script makes one folder <cache>/<name>-<key>, where the key covers everything that went in,
# and prints its path as the only line on stdout; progress goes to stderr.

set -euo pipefail

deps_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root_dir=$(cd "$deps_dir/../.." && pwd)
cache_dir=${SALLYPORT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sallyport}
mkdir -p "$cache_dir"

# Dependencies are built with the system's compiler whatever the preset uses: one copy serves all.
deps_cc=${SALLYPORT_DEPS_CC:-cc}
deps_cxx=${SALLYPORT_DEPS_CXX:-c++}
deps_python=${SALLYPORT_PYTHON:-python3}
jobs=${SALLYPORT_JOBS:-$(nproc)}

say() {
    echo "[deps] $*" >&2
}

compiler_identity() {
    "$deps_cc" --version | head -n 1
    "$deps_cc" -dumpmachine
    "$deps_cxx" --version | head -n 1
}

# key_of FILE... : a short hash of the files' contents and of what is on stdin.
key_of() {
    { cat; cat "$@"; } | sha256sum | cut -c 1-16
}

# Holds the lock NAME until the script ends, so that parallel builds make a thing once.
take_lock() {
    exec 9>"$cache_dir/.$1.lock"
    if ! flock -n 9; then
        say "waiting for another build of $1"
        flock 9
    fi
}

# pip_fetch FOLDER SHA256 REQUIREMENT [OPTION...] : downloads one pinned package, unbuilt.
pip_fetch() {
    local folder=$1 hash=$2 requirement=$3
    shift 3
    mkdir -p "$folder"
    echo "$requirement --hash=sha256:$hash" > "$folder/requirement.txt"
    say "downloading $requirement"
    "$deps_python" -m pip download --quiet --disable-pip-version-check --no-deps \
        --require-hashes "$@" --dest "$folder" -r "$folder/requirement.txt" >&2
    rm "$folder/requirement.txt"
}
