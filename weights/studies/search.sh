#!/usr/bin/env bash
# Whether a search finds better than chance does: `weights/studies/search.sh [SEED [FOLDER]]`.
#
#   found     what `sparsr search` finds at x2: up to 2 cells of 16 channels, 3 G multiply-adds at 1280x720
#   random-i  five networks of the same space that are drawn by seeds, within 3 % of what the found one costs
#
# Each is then trained from nothing for as many iterations, by the same seed. FOLDER/results.csv has what each costs, PSNR of Y
# on the pictures held out and on Set5, and the processor's minutes.
#
# It can be ended at any time, and goes on where it was. About 8 minutes of one core; SPARSR_JOBS (1) trainings at once.
# SPARSR_SEARCH (1500) and SPARSR_ITERATIONS (2000) are the iterations of the search and of each training. Pictures: as
# weights/continue.sh.
set -euo pipefail
cd "$(dirname "$0")/../.."

seed=${1:-1}
work=${2:-target/studies/search-$seed}
pictures=$(cd "${SPARSR_TRAINING:-../shared/data/train}" && pwd)
set5=$(cd "${SPARSR_SET5:-../shared/data/set5/HR}" && pwd)
searched=${SPARSR_SEARCH:-1500}
iterations=${SPARSR_ITERATIONS:-2000}

sparsr=${SPARSR:-target/release/sparsr}
if [ -z "${SPARSR:-}" ]; then cargo build --release --features cli --quiet; fi
mkdir -p "$work/heldout"
grep -v '^#' weights/heldout.txt | grep . | while read -r held; do
    find -L "$pictures" -name "$held" -path '*cid22*' -exec ln -sf {} "$work/heldout/" \;
done

cat >"$work/search.toml" <<TOML
name = "search"
scale = 2
manual_seed = $seed
[path]
experiments_root = "$work"
[datasets.train]
dataroot_gt = ["$pictures"]
heldout = "weights/heldout.txt"
cache = "$work/../pictures-x2.cache"
lq_size = 24
batch_size = 8
drop_flat = 0.4
[datasets.val]
dataroot_gt = ["$work/heldout"]
[train]
total_iter = $searched
warmup_iter = 100
[train.optim_g]
lr = 2e-3
[search]
num_feat = 16
num_cell = 2
widths = [4, 8, 12, 16]
macs = "3G"
arch_lr = 5e-3
[val]
val_freq = 4000
save_img = false
[logger]
print_freq = 200
save_checkpoint_freq = 1000
keep_checkpoints = 1
use_tb_logger = false
TOML

# Something that is done once: NAME, then what `sparsr` is given. Notes the minutes of the processor.
once() {
    local name=$1
    shift
    [ -f "$work/$name/minutes" ] && return
    export SAID="$work/$name.said"
    RAYON_NUM_THREADS=1 bash -c 'TIMEFORMAT="%U %S"; time "$0" "$@" 2>"$SAID"' "$sparsr" "$@" 2>"$work/$name.times" || {
        cat "$SAID" >&2
        return 1
    }
    awk 'END { printf "%.1f\n", ($1 + $2) / 60 }' "$work/$name.times" >"$work/$name/minutes"
}
mean_psnr() {
    "$sparsr" eval --hr "$2" -m "$1" --device cpu --format csv | awk -F, 'NR == 1 { for (i = 1; i <= NF; i++)
        if ($i == "psnr_y") at = i } NR > 1 { sum += $at } END { printf "%.3f", sum / (NR - 1) }'
}
# Parameters, or G multiply-adds, as a configuration's comment says.
said() { sed -n "s/^# \([0-9]*\) parameters, \([0-9.]*\) G multiply-adds at .*/\\$2/p" "$1"; }

once search search "$work/search.toml" --device cpu --auto-resume
cp "$work/search/found.toml" "$work/found.toml"
names=(found)
for i in 1 2 3 4 5; do
    # The seeds of several studies are not the same.
    "$sparsr" search "$work/search.toml" --random "$((100 * seed + i))" --set "search.macs=$(said "$work/found.toml" 2)G" \
        >"$work/random-$i.toml"
    names+=("random-$i")
done

trained() { once "$1" train "$work/$1.toml" --device cpu --auto-resume --set "name=$1" --set "train.total_iter=$iterations"; }
for name in "${names[@]}"; do
    trained "$name" &
    if [ "$(jobs -rp | wc -l)" -ge "${SPARSR_JOBS:-1}" ]; then wait -n; fi
done
wait

echo "network,parameters,gmacs,heldout,set5,minutes" >"$work/results.csv"
for name in "${names[@]}"; do
    network="$work/$name/models/net_g_latest.safetensors"
    echo "$name,$(said "$work/$name.toml" 1),$(said "$work/$name.toml" 2),$(mean_psnr "$network" "$work/heldout"),$(mean_psnr \
        "$network" "$set5"),$(cat "$work/$name/minutes")" >>"$work/results.csv"
done
echo "search,,,,,$(cat "$work/search/minutes")" >>"$work/results.csv"
cat "$work/results.csv"
