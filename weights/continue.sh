#!/usr/bin/env bash
# Trains on what is shipped: `weights/continue.sh [MINUTES] [NAME]`, an hour by default, at the lowest priority on one thread.
#
# Takes the recipe of that name, or of those for which the time is enough the one whose network is furthest from its goal;
# goes on from the shipped file, or begins anew where there is none that has seen no picture held out; and puts the
# result in its place if it is better on the pictures that are held out. Its figures are a line of weights/figures.csv:
# one without a figure for those pictures has seen some of them. Ctrl-C ends it early, with what was reached until then.
#
# It learns on the CPU engine; SPARSR_DEVICE names another device, and SPARSR_PACE how many iterations that does a minute.
#
# Recipes whose teacher, or the network that they start from, is not here are passed over.
#
# Pictures to learn from: the folder SPARSR_TRAINING, by default ../shared/data/train. Set5: SPARSR_SET5, by default
# ../shared/data/set5/HR; it is measured and never learnt from.
set -euo pipefail
cd "$(dirname "$0")/.."

minutes=${1:-60}
pictures=${SPARSR_TRAINING:-../shared/data/train}
set5=${SPARSR_SET5:-../shared/data/set5/HR}
work=target/training
figures=weights/figures.csv

if [ ! -d "$pictures" ]; then
    echo "There are no pictures to learn from: expected a folder $pictures. Put large, clean photographs into a folder" \
        "(DIV2K's 800 for training, or those that weights/README.md names) and say SPARSR_TRAINING=FOLDER."
    exit 0
fi

said() { sed -n "s/^# $2: \([0-9.]*\) .*/\1/p" "weights/recipes/$1.toml"; }
figure() { awk -F, -v name="$1" -v column="$2" '$1 == name { psnr = $column } END { print psnr + 0 }' "$figures"; }
reached() { # what the goal is compared with: of Set5, or of the pictures held out
    if grep -q '^# goal: .* Set5' "weights/recipes/$1.toml"; then figure "$1" 4; else figure "$1" 3; fi
}
can_begin() { # whether what a recipe starts from and is taught by, if anything, is here
    sed -n 's/^network = \["\(.*\)"\]$/\1/p; s/^pretrain_network_g = "\(.*\)"$/\1/p' "weights/recipes/$1.toml" |
        while read -r network; do
            [ -f "$network" ] || return 1
        done
}
goes_on() { [ -f "weights/$1.safetensors" ] && [ "$(figure "$1" 3)" != 0 ]; }
mean_psnr() { # of a network on a folder of large pictures
    "$sparsr" eval --hr "$2" -m "$1" --device cpu --format csv | awk -F, 'NR == 1 { for (i = 1; i <= NF; i++)
        if ($i == "psnr_y") at = i } NR > 1 { sum += $at } END { printf "%.3f", sum / (NR - 1) }'
}

name=${2:-}
if [ -z "$name" ]; then
    name=$(for recipe in weights/recipes/*.toml; do
        each=$(basename "$recipe" .toml)
        can_begin "$each" || continue
        goes_on "$each" || [ "$minutes" -ge "$(said "$each" least)" ] || continue
        awk -v goal="$(said "$each" goal)" -v is="$(reached "$each")" -v name="$each" 'BEGIN { print goal - is, name }'
    done | sort -rn | head -n 1 | cut -d' ' -f2)
fi
if [ -z "$name" ]; then
    echo "$minutes minutes are too few for any network; the recipes say how many are needed"
    exit 0
fi
recipe=weights/recipes/$name.toml
shipped=weights/$name.safetensors
iterations=$(awk -v minutes="$minutes" -v pace="${SPARSR_PACE:-$(said "$name" pace)}" 'BEGIN { printf "%d", minutes * pace }')

cargo build --release --features cli --quiet
sparsr=target/release/sparsr

# The pictures that are held out, by name.
rm -rf "$work/heldout"
mkdir -p "$work/heldout"
grep -v '^#' weights/heldout.txt | grep . | while read -r held; do
    find -L "$(cd "$pictures" && pwd)" -name "$held" -exec ln -sf {} "$work/heldout/" \;
done

run=$work/runs/$name-$(date +%Y%m%d-%H%M%S)
sets=(--set "path.experiments_root='$(dirname "$run")'" --set "name='$(basename "$run")'"
    --set "datasets.train.dataroot_gt=['$pictures']" --set "train.total_iter=$iterations"
    --set "val.val_freq=$(((iterations + 3) / 4))" --set "logger.save_checkpoint_freq=$(((iterations + 3) / 4))"
    --set "manual_seed=$(date +%s)")
if goes_on "$name"; then
    sets+=(--set "path.pretrain_network_g='$shipped'" --set train.optim_g.lr=5e-4)
    if grep -q '"SMSR"' "$recipe"; then # its masks stand
        sets+=(--set train.masks.open=0.0 --set train.masks.gumbel=0.0 --set train.masks.spatial=0.0
            --set train.masks.hard=1.0)
    fi
fi
echo "$name: $iterations iterations"
RAYON_NUM_THREADS=1 nice -n 19 "$sparsr" train "$recipe" --device "${SPARSR_DEVICE:-cpu}" "${sets[@]}" || [ $? -eq 130 ]

# The best iteration that was measured, after the first, and its PSNR.
read -r iteration best < <(awk -F, 'NR > 1 && $1 > 0 && $8 != "" && $8 > best { best = $8; at = $1 }
    END { print at + 0, best + 0 }' "$run/metrics.csv")
before=0
if goes_on "$name"; then
    before=$(awk -F, 'NR > 1 && $1 == 0 { print $8 }' "$run/metrics.csv")
elif [ -f "$shipped" ]; then
    before=$(mean_psnr "$shipped" "$work/heldout")
fi
echo "$name on the pictures held out: $before dB as it is shipped, $best dB at best, after iteration $iteration"
if awk -v a="$best" -v b="$before" 'BEGIN { exit !(a > b) }'; then
    "$sparsr" convert "$run/models/net_g_best.safetensors" "$work/$name.safetensors" --f16 --force
    mv "$work/$name.safetensors" "$shipped"
    psnr=
    if [ -d "$set5" ]; then psnr=$(mean_psnr "$shipped" "$set5"); fi
    echo "$name,$iteration,$best,$psnr" >>"$figures"
    echo "$shipped is better now: $psnr dB on Set5"
    case $name in
    edsrtiny-x2 | edsrmini-x2 | smsr-x2) echo "weights/ladder-x2.safetensors was fitted to the one before: weights/README.md says how it is made" ;;
    esac
fi
