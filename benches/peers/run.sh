#!/usr/bin/env bash
# Compares sparsr with ncnn, ONNX Runtime, OpenVINO and PyTorch on this machine, in one command:
#
#     bash benches/peers/run.sh [--networks smsr,edsr,compact,swinir] [--model SMSR.safetensors]
#                               [--engines sparsr,onnxruntime,openvino,ncnn,torch] [--device NUMBER]
#                               [--picture PNG] [--size 480x270] [--rounds 3]
#
# Builds sparsr, and the peers' Python environment in target/peers-venv, from the pinned requirements.txt.
#
#     SPARSR_BIN=PROGRAM            a program that is built already; nothing is built then
#     SPARSR_PEERS_TORCH=1          PyTorch is installed too: several gigabytes
#     SPARSR_PEERS_PYTHON=PYTHON    an environment's Python that is there already; nothing is installed then
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
root="$(cd "$here/../.." && pwd)"
target="${CARGO_TARGET_DIR:-$root/target}"
python="${SPARSR_PEERS_PYTHON:-$target/peers-venv/bin/python}"

fail() { echo "error: $*" >&2; exit 1; }

install() {
    local lists=(-r "$here/requirements.txt")
    [ "${SPARSR_PEERS_TORCH:-}" != 1 ] || lists+=(-r "$here/requirements-torch.txt")
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
        fail "Python 3.11 or newer is needed, as python3"
    python3 -c 'import ensurepip, venv' 2>/dev/null ||
        fail "Python's venv module is needed (Debian, Ubuntu: apt install python3-venv)"
    [ -x "$python" ] || python3 -m venv "$target/peers-venv"
    "$python" -m pip install --quiet --disable-pip-version-check "${lists[@]}" ||
        fail "the peers could not be installed into $target/peers-venv; delete that folder to begin afresh"
}

revision="commit $(git -C "$root" describe --always --dirty 2>/dev/null || echo unknown)"
if [ -n "${SPARSR_BIN:-}" ]; then
    [ -x "$SPARSR_BIN" ] || fail "SPARSR_BIN: no program at $SPARSR_BIN"
    revision="program of SPARSR_BIN, in a checkout of $revision"
else
    cargo build --release --features cli --manifest-path "$root/Cargo.toml"
    SPARSR_BIN="$target/release/sparsr"
fi
[ -n "${SPARSR_PEERS_PYTHON:-}" ] || install

export OMP_WAIT_POLICY=PASSIVE                                     # waiting threads take no processor time
export NODEVICE_SELECT=1 XDG_RUNTIME_DIR="${XDG_RUNTIME_DIR:-/tmp}" # Mesa would remark on either
exec "$python" "$here/compare.py" --sparsr "$SPARSR_BIN" --revision "$revision" --folder "$target/peers" "$@"
