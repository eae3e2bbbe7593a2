#!/usr/bin/env bash
# What effort costs and gains: `weights/studies/effort.sh [LADDER [EFFORT…]]`, of the built-in ladder ("") by default.
#
# For efforts from 0 to 1, on the eight full-HD photographs of weights/heldout.txt: the mean PSNR of Y, how far that is below the best
# network's, multiply-adds as a share of the best network's with its masks, and the time of enlarging as a share of its time,
# the two in turn (ROUNDS times, 1 by default; medians). CSV on standard output. Pictures: as weights/continue.sh.
set -euo pipefail
cd "$(dirname "$0")/../.."

pictures=$(cd "${SPARSR_TRAINING:-../shared/data/train}" && pwd)
work=target/studies/effort
ladder=()
if [ -n "${1:-}" ]; then ladder=(--ladder "$1"); fi
shift || true
efforts=("$@")
if [ $# = 0 ]; then efforts=(0 0.2 0.4 0.5 0.6 0.7 0.75 0.8 0.85 0.9 0.95 1); fi

sparsr=${SPARSR:-target/release/sparsr}
if [ -z "${SPARSR:-}" ]; then cargo build --release --features cli --quiet; fi
rm -rf "$work"
mkdir -p "$work"
sed -n '/^# Eight more/,$p' weights/heldout.txt | grep -v '^#' | grep . | while read -r held; do
    find -L "$pictures" -name "$held" -exec ln -sf {} "$work/" \;
done

# Mean PSNR, multiply-adds and seconds at an effort.
measured() {
    "$sparsr" eval --hr "$work" --device cpu --effort "$1" "${ladder[@]}" --format csv |
        awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i }
            NR > 1 && $at["image"] != "mean" {
                psnr += $at["psnr_y"]; macs += $at["macs"] * $at["macs_kept"]; seconds += $at["seconds"]; count++
            }
            END { printf "%.4f %.6g %.3f", psnr / count, macs, seconds }'
}

echo "effort,psnr_y,below_best,macs,time"
for effort in "${efforts[@]}"; do
    for _ in $(seq "${ROUNDS:-1}"); do
        echo "$(measured 1) $(measured "$effort")"
    done | awk '{ psnr = $4; below = $1 - $4; macs = $5 / $2; print $6 / $3 | "sort -n > '"$work"'/ratios" }
        END { printf "%.3f,%.3f,%.3f", psnr, below, macs }' | sed "s/^/$effort,/"
    awk '{ all[NR] = $1 } END { printf ",%.3f\n", all[int((NR + 1) / 2)] }' "$work/ratios"
done
