#!/usr/bin/env bash
# Compares sparsr with ONNX Runtime and ncnn on this machine's software Vulkan adapter, in one command:
#
#     bash benches/peers/run.sh [--model WEIGHTS.safetensors] [--picture PNG] [--size 480x270] [--rounds 3]
#
# Builds sparsr, and the peers' Python environment in target/peers-venv, from the pinned requirements.txt.
# SPARSR_BIN names a program that is built already, and nothing is built then.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
root="$(cd "$here/../.." && pwd)"
target="${CARGO_TARGET_DIR:-$root/target}"
venv="$target/peers-venv"

fail() { echo "error: $*" >&2; exit 1; }

python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
    fail "Python 3.11 or newer is needed, as python3"
python3 -c 'import ensurepip, venv' 2>/dev/null ||
    fail "Python's venv module is needed (Debian, Ubuntu: apt install python3-venv)"

revision="commit $(git -C "$root" describe --always --dirty 2>/dev/null || echo unknown)"
if [ -n "${SPARSR_BIN:-}" ]; then
    [ -x "$SPARSR_BIN" ] || fail "SPARSR_BIN: no program at $SPARSR_BIN"
    revision="program of SPARSR_BIN, in a checkout of $revision"
else
    cargo build --release --features cli --manifest-path "$root/Cargo.toml"
    SPARSR_BIN="$target/release/sparsr"
fi

[ -x "$venv/bin/pip" ] || python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt" ||
    fail "the peers could not be installed into $venv; delete that folder to begin afresh"

export OMP_WAIT_POLICY=PASSIVE                                     # waiting threads take no processor time
export NODEVICE_SELECT=1 XDG_RUNTIME_DIR="${XDG_RUNTIME_DIR:-/tmp}" # Mesa would remark on either
exec "$venv/bin/python" "$here/compare.py" --sparsr "$SPARSR_BIN" --revision "$revision" "$@"
