#!/usr/bin/env bash
# Checks the plugin for VapourSynth as a script meets it:
#
#   bindings/vapoursynth/check.sh [FOLDER]
#
# builds the plugin and the program, or takes them from FOLDER, where they are built already; installs VapourSynth into an
# environment of its own; and holds frames against the program's pictures, byte for byte. What a machine has not got is
# skipped, aloud.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."

if [ $# -ge 1 ]; then
    folder=$1
else
    cargo build --release -p sparsr -p sparsr-vapoursynth --features sparsr/cli --lib --bins
    folder=${CARGO_TARGET_DIR:-target}/release
fi

skip() {
    echo "skipped: the plugin for VapourSynth is built and not run: $1"
    exit 0
}
# VapourSynth's wheels begin with Python 3.12.
python=
for name in python3.14 python3.13 python3.12 python3 ~/.pyenv/versions/3.1[2-9]*/bin/python3; do
    if "$name" -c 'import sys, venv; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; then
        python=$name
        break
    fi
done
[ -n "$python" ] || skip "there is no Python from 3.12 on"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export SPARSR_CACHE="$work/cache"
"$python" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check vapoursynth numpy 2>/dev/null ||
    skip "pip finds no VapourSynth"

{
    printf 'P6\n22 15\n255\n'
    for at in $(seq 0 989); do printf "\\x$(printf %x $((40 + at * 37 % 150)))"; done
} >"$work/small.ppm"
"$folder/sparsr" upscale "$work/small.ppm" -m edsrmini-x2 --device cpu -o "$work/large.bmp"
plugin=$folder/libvapoursynth_sparsr.so
[ -e "$plugin" ] || plugin=$folder/libvapoursynth_sparsr.dylib
"$work/venv/bin/python" "$here/tests/frames.py" "$(realpath "$plugin")" "$work/small.ppm" "$work/large.bmp"
