#!/usr/bin/env bash
# Which way from a network to one of half its channels is best: `weights/studies/prune.sh [SEED [FOLDER]]`.
#
#   dense     LEDSR of 32 channels and 8 blocks, from scratch
#   assl …    the same pruned to 16 channels: by assl, gassl and srp, which learn, and by l1 and random, which do not
#   scratch   LEDSR of 16 channels and 8 blocks, from scratch
#
# Each small network is trained on with three rates for a fifth of the iterations, and with the best of them, by the pictures
# held out, for all. FOLDER/results.csv has PSNR of Y on these pictures and on Set5, multiply-adds of a small pixel, and
# what the training cost: multiply-adds a small pixel, forward, over all iterations, in millions.
#
# It can be ended at any time, and goes on where it was. One thread; about 300 minutes of one core a seed. SPARSR_ITERATIONS
# (20000) shortens all of it, SPARSR_METHODS names some of the small networks ("assl l1 scratch"), and SPARSR a program that is
# built. Pictures: as weights/continue.sh.
set -euo pipefail
cd "$(dirname "$0")/../.."

seed=${1:-1}
work=${2:-target/studies/prune-$seed}
pictures=$(cd "${SPARSR_TRAINING:-../shared/data/train}" && pwd)
set5=$(cd "${SPARSR_SET5:-../shared/data/set5/HR}" && pwd)
iterations=${SPARSR_ITERATIONS:-20000}
short=$((iterations / 5))
methods=${SPARSR_METHODS:-assl gassl srp l1 random scratch}
keep=0.5

sparsr=${SPARSR:-target/release/sparsr}
if [ -z "${SPARSR:-}" ]; then cargo build --release --features cli --quiet; fi
mkdir -p "$work/heldout"
grep -v '^#' weights/heldout.txt | grep . | while read -r held; do
    find -L "$pictures" -name "$held" -path '*cid22*' -exec ln -sf {} "$work/heldout/" \;
done

# What all trainings have in common.
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
drop_flat = 0.4
[datasets.val]
dataroot_gt = ["$work/heldout"]
[train]
warmup_iter = $((iterations / 100))
[val]
val_freq = 2000
save_img = false
[logger]
save_checkpoint_freq = 1000
keep_checkpoints = 1
TOML

# A training that is done once: NAME, then what `sparsr` is given before the configuration, then what is laid over it.
once() {
    local name=$1
    shift
    [ -f "$work/$name/done" ] && return
    RAYON_NUM_THREADS=1 "$sparsr" "$@" --device cpu --auto-resume --set "name=$name"
    touch "$work/$name/done"
}
network() { echo "$work/$1/models/net_g_$2.safetensors"; }
best() { awk -F, 'NR > 1 && $8 != "" { last = $8 } END { print last }' "$work/$1/metrics.csv"; }
mean_psnr() {
    "$sparsr" eval --hr "$2" -m "$1" --device cpu --format csv | awk -F, 'NR == 1 { for (i = 1; i <= NF; i++)
        if ($i == "psnr_y") at = i } NR > 1 { sum += $at } END { printf "%.3f", sum / (NR - 1) }'
}
# Multiply-adds of a small pixel.
macs() { "$sparsr" inspect "$1" --json | sed -n 's/.*"total": *\([0-9]*\).*/\1/p' | head -n 1; }

once dense train "$work/config.toml" --set network_g.type=LEDSR --set network_g.num_feat=32 --set network_g.num_block=8 \
    --set "train.total_iter=$iterations"
dense=$(network dense latest)

is_learnt() { [[ " assl gassl srp " == *" $1 "* ]]; }

for method in $methods; do
    if is_learnt "$method"; then
        once "$method" prune "$dense" -c "$work/config.toml" --set "prune.method=$method" --set "prune.keep=$keep" \
            --set "train.total_iter=$((iterations * 3 / 10))" --set train.optim_g.lr=2e-4
    elif [ "$method" != scratch ] && [ ! -f "$(network "$method" pruned)" ]; then
        mkdir -p "$work/$method/models"
        "$sparsr" prune "$dense" --method "$method" --keep "$keep" --seed "$seed" -o "$(network "$method" pruned)"
    fi
done

# Trains a small network on: NAME, then how it begins.
on() {
    local name=$1 most=0 rate chosen
    shift
    for rate in "${rates[@]}"; do
        once "$name-short-$rate" train "$work/config.toml" "$@" --set "train.total_iter=$short" --set "train.optim_g.lr=$rate"
        if awk -v a="$(best "$name-short-$rate")" -v b="$most" 'BEGIN { exit !(a > b) }'; then
            most=$(best "$name-short-$rate")
            chosen=$rate
        fi
    done
    once "$name-on" train "$work/config.toml" "$@" --set "train.total_iter=$iterations" --set "train.optim_g.lr=$chosen"
    echo "$chosen" >"$work/$name-on/rate"
}
for method in $methods; do
    if [ "$method" = scratch ]; then
        rates=(5e-4 1e-3 2e-3)
        on scratch --set network_g.type=LEDSR --set network_g.num_feat=16 --set network_g.num_block=8
    else
        rates=(2e-4 5e-4 1e-3)
        on "$method" --set network_g.type=LEDSR --set "path.pretrain_network_g=$(network "$method" pruned)"
    fi
done

wide=$(macs "$dense")
{
    echo "seed,method,rate,psnr_y_heldout,psnr_y_set5,macs_per_pixel,cost"
    for method in $methods; do
        small=$(network "$method-on" latest)
        narrow=$(macs "$small")
        on_set5=$(mean_psnr "$small" "$set5")
        learnt=0
        if is_learnt "$method"; then learnt=$((iterations * 3 / 10)); fi
        cost=$(awk -v w="$wide" -v n="$narrow" -v l="$learnt" -v i="$iterations" -v m="$method" \
            'BEGIN { printf "%.0f", (w * (l + (m == "scratch" ? 0 : i)) + n * i * 1.6) / 1e6 }')
        echo "$seed,$method,$(cat "$work/$method-on/rate"),$(best "$method-on"),$on_set5,$narrow,$cost"
    done
    on_set5=$(mean_psnr "$dense" "$set5")
    echo "$seed,dense,,$(best dense),$on_set5,$wide,$(awk -v w="$wide" -v i="$iterations" 'BEGIN { printf "%.0f", w * i / 1e6 }')"
} >"$work/results.csv"
cat "$work/results.csv"
