#!/usr/bin/env bash
# The CPU engine on 64-bit Arm, on any machine: its tests, by NEON and by scalar instructions, and a picture that must
# have the same bytes as here.
#
#   bash tests/platforms/neon.sh [PICTURE]     (a picture of the repository's, if none is named)
#
# Needs an emulator, a linker and Rust's target (Debian: apt install qemu-user gcc-aarch64-linux-gnu;
# rustup target add aarch64-unknown-linux-gnu); says that it skips where one of them is missing.
set -euo pipefail
cd "$(dirname "$0")/../.."
picture=${1:-tests/pictures/harbour.png}
target=aarch64-unknown-linux-gnu

for tool in qemu-aarch64 aarch64-linux-gnu-gcc; do
    if ! command -v "$tool" >/dev/null; then
        echo "skipped: NEON, since there is no $tool (Debian: apt install qemu-user gcc-aarch64-linux-gnu)"
        exit 0
    fi
done
if [ ! -d "$(rustc --print sysroot)/lib/rustlib/$target" ]; then
    echo "skipped: NEON, since Rust's target is not installed (rustup target add $target)"
    exit 0
fi
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -L /usr/aarch64-linux-gnu"
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT

# Tests of the program make it too, of the same dependencies: nothing is compiled twice.
run() { cargo test --quiet --release --features cli "$@"; }
program=${CARGO_TARGET_DIR:-target}

echo "the CPU engine's tests under qemu-aarch64"
for without in "" neon; do
    echo "without ${without:-nothing}:"
    SPARSR_WITHOUT=$without run --target "$target" --lib -- cpu::
    SPARSR_WITHOUT=$without run --target "$target" --test cpu
done

there() { qemu-aarch64 -L /usr/aarch64-linux-gnu "$program/$target/release/sparsr" "$@"; }
there devices --json >"$folder/devices.json"
grep '"vectors": "neon"' "$folder/devices.json"
there upscale "$picture" -o "$folder/there.png" --device cpu

run --no-run --test cpu
"$program/release/sparsr" upscale "$picture" -o "$folder/here.png" --device cpu
cmp "$folder/there.png" "$folder/here.png"
echo "$picture: the same $(stat -c %s "$folder/there.png") bytes by NEON as by $(uname -m)"
