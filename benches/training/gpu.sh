#!/usr/bin/env bash
# Writes what training does on a GPU as a record in Markdown, and trains a network there, in one command:
#
#     bash benches/training/gpu.sh [MINUTES [NAME]] > benches/record/<adapter>/training-<date>.md
#
# Shares of the peak of every backward kernel, steps of three networks, the same in PyTorch where a Python has it with CUDA;
# then NAME (smsr-x2) learns for so many minutes (10; 0 for none) by weights/continue.sh, which puts the result into weights/
# if it is better. Lines of progress go to standard error.
#
#     SPARSR_DEVICE=NUMBER           the adapter, as `sparsr devices` counts them; by default the best
#     SPARSR_PEERS_PYTHON=PYTHON     the Python that has PyTorch (python3)
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
cd "$here/../.."
minutes="${1:-10}" name="${2:-smsr-x2}"
python="${SPARSR_PEERS_PYTHON:-python3}"

cargo build --release --features cli --quiet
sparsr=target/release/sparsr
device="${SPARSR_DEVICE:-auto}"

bench() { # a bench's figures, without criterion's comparisons
    cargo bench --quiet --features cli --bench "$1" -- --noplot "${@:2}" 2>/dev/null |
        grep -vE '^(Benchmarking|Found|  [0-9]+ \(|\s*(change|Performance|No change|Change))' || true
}

echo "# Training on a GPU, $(git describe --always --dirty 2>/dev/null), $(date -u +%F)"
printf '\n## Backward kernels\n\n```text\n'
bench gradients 'gradients by kernels'
printf '```\n\n## Steps of sixteen crops\n\n```text\n'
bench steps
printf '```\n\n## PyTorch on the same card, seconds a step\n\n```text\n'
if "$python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' 2>/dev/null; then
    for network in edsrmini edsr smsr32; do
        echo "$network"
        "$python" "$here/speed.py" "$network" --device cuda --ways eager,compiled,tf32,f16 | grep median ||
            echo "ended with an error"
    done
else
    echo "not asked: $python has no PyTorch that finds CUDA; SPARSR_PEERS_PYTHON names another"
fi
printf '```\n'
[ "$minutes" -gt 0 ] || exit 0

# Iterations a minute, by two hundred.
run="$(mktemp -d)"
trap 'rm -r "$run"' EXIT
begun=$(date +%s%N)
"$sparsr" train "weights/recipes/$name.toml" --device "$device" --set "path.experiments_root='$run'" --set name="'pace'" \
    --set "datasets.train.dataroot_gt=['${SPARSR_TRAINING:-../shared/data/train}']" --set 'datasets.val.dataroot_gt=[]' \
    --set train.total_iter=200 --set train.warmup_iter=50 --set logger.use_tb_logger=false >&2
pace=$((200 * 60 * 1000000000 / ($(date +%s%N) - begun)))
printf '\n## %s for %s minutes, %s iterations a minute\n\n```text\n' "$name" "$minutes" "$pace"
SPARSR_DEVICE="$device" SPARSR_PACE="$pace" weights/continue.sh "$minutes" "$name" 2>&1 | grep -vE 'iter: ' || true
printf '```\n'
