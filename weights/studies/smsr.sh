#!/usr/bin/env bash
# Whether masks are worth what they cost: `weights/studies/smsr.sh [SEED [FOLDER]]`.
#
#   sparse    SMSR x2 of 16 channels and 3 modules, from scratch
#   dense     LEDSR of as many multiply-adds as the sparse one keeps on the pictures held out, within 2 %, from scratch,
#             for as many of the processor's minutes
#
# FOLDER/results.csv has parameters, multiply-adds of a small pixel that are kept and that there are, PSNR of Y on the pictures
# held out and on Set5, iterations and the processor's minutes. `sparsr inspect` and `eval --masks` tell how open each module is.
#
# It can be ended at any time, and goes on where it was. One thread; SPARSR_ITERATIONS (8000) are the sparse one's. Pictures: as
# weights/continue.sh.
set -euo pipefail
cd "$(dirname "$0")/../.."

seed=${1:-1}
work=${2:-target/studies/smsr-$seed}
pictures=$(cd "${SPARSR_TRAINING:-../shared/data/train}" && pwd)
set5=$(cd "${SPARSR_SET5:-../shared/data/set5/HR}" && pwd)
iterations=${SPARSR_ITERATIONS:-8000}

sparsr=${SPARSR:-target/release/sparsr}
if [ -z "${SPARSR:-}" ]; then cargo build --release --features cli --quiet; fi
mkdir -p "$work/heldout"
grep -v '^#' weights/heldout.txt | grep . | while read -r held; do
    find -L "$pictures" -name "$held" -path '*cid22*' -exec ln -sf {} "$work/heldout/" \;
done

cat >"$work/config.toml" <<TOML
scale = 2
manual_seed = $seed
[path]
experiments_root = "$work"
[datasets.train]
dataroot_gt = ["$pictures"]
heldout = "weights/heldout.txt"
cache = "$work/../pictures-x2.cache"
also_shrunk_above = 1000
lq_size = 24
batch_size = 16
drop_flat = 0.4
[datasets.val]
dataroot_gt = ["$work/heldout"]
[train]
warmup_iter = $((iterations / 25))
[train.optim_g]
lr = 1e-3
[val]
val_freq = 4000
save_img = false
[logger]
print_freq = 500
save_checkpoint_freq = 1000
keep_checkpoints = 1
use_tb_logger = false
TOML

# A training that is done once: NAME, then what is laid over the configuration. Notes the seconds of the processor.
once() {
    local name=$1
    shift
    [ -f "$work/$name/seconds" ] && return
    export SAID="$work/$name.said"
    RAYON_NUM_THREADS=1 bash -c 'TIMEFORMAT="%U %S"; time "$0" "$@" 2>"$SAID"' "$sparsr" train "$work/config.toml" \
        --device cpu --auto-resume --set "name=$name" "$@" 2>"$work/$name.times" || {
        cat "$SAID" >&2
        return 1
    }
    awk 'END { printf "%.1f\n", $1 + $2 }' "$work/$name.times" >"$work/$name/seconds"
}
network() { echo "$work/$1/models/net_g_latest.safetensors"; }
# Of a folder: PSNR of Y, and the share of the multiply-adds that is kept.
measured() {
    "$sparsr" eval --hr "$2" -m "$(network "$1")" --device cpu --format csv 2>/dev/null | awk -F, '
        NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
        { psnr += $at["psnr_y"]; all += $at["macs"]
          kept += $at["macs"] * ($at["macs_kept"] == "" ? 1 : $at["macs_kept"]) }
        END { printf "%.3f %.4f\n", psnr / (NR - 1), kept / all }'
}
# A number of `inspect`: parameters, or total, the multiply-adds of a small pixel.
said() { "$sparsr" inspect "$(network "$1")" --json | sed -n "s/.*\"$2\": *\([0-9]*\).*/\1/p" | head -n 1; }
part() { awk -v all="$1" -v share="$2" 'BEGIN { printf "%.0f", all * share }'; }

once pictures --set train.warmup_iter=0 --set train.total_iter=1 --set val.val_freq=100000 # reads them, for all that follow
sparse=(--set network_g.type=SMSR --set network_g.num_feat=16 --set network_g.num_module=3
    --set "train.masks.sparsity_warmup_iter=$((iterations / 50))")
once sparse "${sparse[@]}" --set "train.total_iter=$iterations"
read -r _ share < <(measured sparse "$work/heldout")
kept=$(part "$(said sparse total)" "$share")

# The LEDSR that is nearest, and nearest to 16 channels.
read -r channels blocks < <(awk -v kept="$kept" 'BEGIN {
    for (apart = 0; apart <= 8; apart++) for (side = -1; side <= 1; side += 2) for (b = 1; b <= 12; b++) {
        f = 16 + side * apart
        off = (9 * (15 * f + (2 * b + 1) * f * f) - kept) / kept
        if (off < 0.02 && off > -0.02) { print f, b; exit }
    } }')
dense=(--set network_g.type=LEDSR --set "network_g.num_feat=$channels" --set "network_g.num_block=$blocks")
# How long an iteration takes, of both, one right after the other.
once sparse-pace "${sparse[@]}" --set train.total_iter=400 --set val.val_freq=100000
once dense-pace "${dense[@]}" --set train.total_iter=400 --set val.val_freq=100000
for_dense=$(awk -v iterations="$iterations" -v sparse="$(cat "$work/sparse-pace/seconds")" \
    -v dense="$(cat "$work/dense-pace/seconds")" 'BEGIN { printf "%d", iterations * sparse / dense }')
once dense "${dense[@]}" --set "train.total_iter=$for_dense"

{
    echo "seed,network,parameters,macs_kept,macs,psnr_y_heldout,psnr_y_set5,iterations,minutes"
    for name in sparse dense; do
        read -r heldout share < <(measured "$name" "$work/heldout")
        read -r on_set5 _ < <(measured "$name" "$set5")
        all=$(said "$name" total)
        if [ "$name" = sparse ]; then own=$iterations; else own=$for_dense; fi
        minutes=$(awk '{ printf "%.1f", $1 / 60 }' "$work/$name/seconds")
        echo "$seed,$name,$(said "$name" parameters),$(part "$all" "$share"),$all,$heldout,$on_set5,$own,$minutes"
    done
} >"$work/results.csv"
cat "$work/results.csv"
