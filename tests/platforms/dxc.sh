#!/usr/bin/env bash
# Compiles every kernel's HLSL, under every specialisation of tests/shaders.rs, with Microsoft's DXC under Wine: what DX12
# makes of the shaders, without Windows. Fails if one does not compile. Says that it skips where something is missing.
#
#   bash tests/platforms/dxc.sh
#   SPARSR_DXC=FOLDER bash tests/platforms/dxc.sh     with the dxcompiler.dll and dxil.dll of that folder
#
# Needs: wine, x86_64-w64-mingw32-gcc (Debian: wine wine64 gcc-mingw-w64-x86-64); without SPARSR_DXC also python3 with pip,
# which takes DXC out of a Windows wheel (84 MB, once), and keeps it in target/dxc.
set -euo pipefail
cd "$(dirname "$0")/../.."

wheel=slangpy==0.43.1
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")

skip() {
    echo "skipped: DXC: $*"
    exit 0
}

for program in wine x86_64-w64-mingw32-gcc; do
    command -v "$program" >/dev/null || skip "$program is not installed (Debian: wine wine64 gcc-mingw-w64-x86-64)"
done

work=$(mktemp -d)
wine_started=
finish() {
    if [ -n "$wine_started" ]; then wineserver -k 2>/dev/null || true; fi
    rm -rf "$work"
}
trap finish EXIT

dxc=${SPARSR_DXC:-$target/dxc}
if [ ! -e "$dxc/dxcompiler.dll" ]; then
    [ -z "${SPARSR_DXC:-}" ] || skip "there is no dxcompiler.dll in $dxc, which SPARSR_DXC names"
    command -v python3 >/dev/null || skip "there is neither SPARSR_DXC nor python3"
    python3 -m pip download --quiet --no-deps --only-binary :all: --platform win_amd64 --python-version 3.12 \
        --dest "$work" "$wheel" || skip "pip has no $wheel; set SPARSR_DXC"
    python3 -m zipfile -e "$work"/slangpy-*.whl "$work/wheel"
    mkdir -p "$dxc"
    mv "$work"/wheel/slangpy/dxil.dll "$work"/wheel/slangpy/dxcompiler.dll "$dxc"
fi

# An earlier prefix is nothing to rely on, and the user's own is not ours to change.
export WINEPREFIX=$work/prefix WINEDEBUG=-all WINEDLLOVERRIDES="mscoree,mshtml="
wine_started=1
wine wineboot --init >/dev/null 2>&1 || skip "Wine does not start: $(wine --version 2>/dev/null | tail -n 1)"

mkdir "$work/hlsl"
SPARSR_WRITE_HLSL=$work/hlsl cargo test --quiet --release --features cli --test shaders -- \
    every_shader_translates_to_every_backend >"$work/cargo.txt" 2>&1 || { cat "$work/cargo.txt" >&2; exit 1; }
x86_64-w64-mingw32-gcc -O1 -Wall -Wextra -municode tests/platforms/dxc_check.c -o "$work/dxc_check.exe"
cp "$dxc/dxcompiler.dll" "$dxc/dxil.dll" "$work"

echo "$(wine --version 2>/dev/null | tail -n 1)"
cd "$work"
timeout 1800 wine dxc_check.exe hlsl 2>/dev/null
