#!/usr/bin/env bash
# Writes the table of a GPU as a record in Markdown, in one command and a few minutes:
#
#     bash benches/gpu.sh [--quick] [--model SMSR.safetensors] > benches/record/<adapter>/<date>.md
#
# Peaks, convolutions as shares of them, sparse against dense, SMSR beside PyTorch; a column says which bars are met.
# PyTorch is asked where a Python has it with CUDA. `--quick` makes the table of small sizes and asks nobody.
#
#     SPARSR_GPU_TABLE=EXECUTABLE    `cargo bench --features cli --bench gpu --no-run` names it; nothing is built then
#     SPARSR_BIN=PROGRAM             the program that stands beside PyTorch; nothing is built then
#     SPARSR_PEERS_PYTHON=PYTHON     the Python that has PyTorch (python3), with what peers/requirements.txt lists
#     SPARSR_DEVICE=NUMBER           another adapter, as `sparsr devices` counts them
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
root="$(cd "$here/.." && pwd)"
python="${SPARSR_PEERS_PYTHON:-python3}"
scratch="$(mktemp -d)"
trap 'rm -r "$scratch"' EXIT

fail() { echo "error: $*" >&2; exit 1; }

quick=() model=()
while [ $# -gt 0 ]; do
    case "$1" in
        --quick) quick=(--quick); shift ;;
        --model) [ $# -gt 1 ] || fail "--model: expected a file"; model=(--model "$(realpath "$2")"); shift 2 ;;
        *) fail "expected --quick or --model FILE, found $1" ;;
    esac
done
[ ${#model[@]} = 0 ] || [ -r "${model[1]}" ] || fail "${model[1]}: no such file"

has_torch() { "$python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' 2>/dev/null; }

# PyTorch's best time for a picture, on the wall: the second number of a row.
best_torch() {
    awk -F'|' '$2 ~ /^ *torch/ && $4 ~ /CUDA/ && $5 + 0 > 0 && (!best || $5 + 0 < best) { best = $5 + 0 }
               END { if (best) print best }' "$1"
}

peers="$scratch/peers.md" torch=()
if [ ${#quick[@]} -gt 0 ]; then
    echo "PyTorch was not asked: --quick" > "$peers"
elif ! has_torch; then
    echo "PyTorch was not asked: $python has none that finds CUDA; SPARSR_PEERS_PYTHON names another" > "$peers"
else
    SPARSR_PEERS_PYTHON="$(command -v "$python")" bash "$here/peers/run.sh" \
        --networks smsr --size 640x360 --engines sparsr,torch "${model[@]}" > "$peers" ||
        echo $'\nThe comparison ended with an error.' >> "$peers"
    seconds="$(best_torch "$peers")"
    [ -z "$seconds" ] || torch=(--torch-seconds "$seconds")
fi

if [ -n "${SPARSR_GPU_TABLE:-}" ]; then
    [ -x "$SPARSR_GPU_TABLE" ] || fail "SPARSR_GPU_TABLE: no executable at $SPARSR_GPU_TABLE"
    table=("$SPARSR_GPU_TABLE")
else
    table=(cargo bench --quiet --manifest-path "$root/Cargo.toml" --features cli --bench gpu --)
fi
commit="$(git -C "$root" describe --always --dirty 2>/dev/null || echo unknown)"
"${table[@]}" "${quick[@]}" "${model[@]}" "${torch[@]}" --revision "$commit, $(date -u +%F)"
printf '\n## PyTorch\n\n'
sed 's/^##* /### /' "$peers"
