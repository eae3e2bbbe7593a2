#!/usr/bin/env bash
# Checks that sparsr compiles on platforms that this machine is not: the program for Windows, macOS and Linux on 64-bit
# Arm, and the library without files, pictures and GPU for browsers. Nothing is linked or run.
#
# A target that rustup cannot add is skipped, aloud. Cargo keeps what it made for each in a folder of its own under
# the target folder, so that only the first time takes minutes.
set -euo pipefail
cd "$(dirname "$0")/../.."

check() {
    local target=$1
    shift
    if ! command -v rustup >/dev/null; then
        echo "$target: skipped, there is no rustup to add it with"
    elif ! rustup target add "$target" >/dev/null 2>"$said"; then
        echo "$target: skipped, rustup could not add it: $(tail -n 1 "$said")"
    else
        cargo check --quiet --release --target "$target" "$@"
        echo "$target: compiles ($*)"
    fi
}

said=$(mktemp)
trap 'rm -f "$said"' EXIT

check x86_64-pc-windows-gnu --features cli
check aarch64-apple-darwin --features cli
check aarch64-unknown-linux-gnu --features cli
check wasm32-unknown-unknown --no-default-features --lib
