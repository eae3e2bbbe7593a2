#!/usr/bin/env bash
# Compiles every kernel, under every specialisation of tests/shaders.rs, in headless Chromium: browsers are stricter than
# naga. Fails if one is refused. Texts compile in a minute; pipelines of all specialisations take a software adapter longer
# than anyone waits, so those that are not made in time are counted and judge nothing. Says that it skips where no Chromium is installed (Debian: chromium).
#
#   bash tests/platforms/chromium.sh
#   CHROMIUM=/path/to/chrome CHROMIUM_SECONDS=1800 bash tests/platforms/chromium.sh     which one, and how long it may take
#
# The adapter is Chromium's own, in software, so no GPU is needed. It has no f16: what is stored so is skipped, and counted.
# Kernels of cooperative matrices are none for browsers.
set -euo pipefail
cd "$(dirname "$0")/../.."

seconds=${CHROMIUM_SECONDS:-300}

skip() {
    echo "skipped: Chromium: $*"
    exit 0
}

chromium=${CHROMIUM:-}
for name in chromium chromium-browser google-chrome; do
    [ -n "$chromium" ] || chromium=$(command -v "$name" || true)
done
[ -n "$chromium" ] || skip "none is installed (Debian: chromium), and CHROMIUM names none"
version=$("$chromium" --version 2>/dev/null) || skip "$chromium does not start"

work=$(mktemp -d)
browser=
finish() {
    # With all its processes, and at once: one that is making a pipeline does not listen.
    if [ -n "$browser" ]; then kill -KILL -- "-$browser" 2>/dev/null && wait "$browser" 2>/dev/null || true; fi
    rm -rf "$work"
}
trap finish EXIT

SPARSR_WRITE_WGSL=$work cargo test --quiet --release --features cli --test shaders -- \
    every_shader_translates_to_every_backend >"$work/cargo.txt" 2>&1 || { cat "$work/cargo.txt" >&2; exit 1; }
{ printf 'const shaders = '; cat "$work/shaders.json"; printf ';\n'; } >"$work/shaders.js"
cp tests/platforms/chromium.html "$work"

# The page has no way to end the browser: its last line is waited for. What it says goes through the log.
echo "$version"
touch "$work/log"
setsid "$chromium" --headless --no-sandbox --disable-quic --no-first-run --disable-background-networking \
    --disable-component-update --disable-sync --user-data-dir="$work/profile" --enable-logging=stderr --v=0 \
    --enable-unsafe-webgpu --use-webgpu-adapter=swiftshader "file://$work/chromium.html" \
    >/dev/null 2>"$work/log" &
browser=$!
said() { sed -nE 's/.*INFO:CONSOLE[^"]*"sparsr: (.*)", source: .*/\1/p' "$work/log"; }
shown=0
show() {
    local lines
    mapfile -t lines < <(said)
    for line in "${lines[@]:$shown}"; do echo "$line"; done
    shown=${#lines[@]}
}
for _ in $(seq "$seconds"); do
    show
    if said | grep -qE '^(result|none|failed)' || ! kill -0 "$browser" 2>/dev/null; then break; fi
    sleep 1
done
show

if said | grep -q '^refused'; then exit 1; fi
case $(said | tail -n 1) in
    none) skip "it offers no WebGPU adapter" ;;
    result*) ;;
    texts* | pipelines*) echo "the rest of the pipelines was not made within $seconds seconds (CHROMIUM_SECONDS)" ;;
    *)
        echo "Chromium compiled no text within $seconds seconds (CHROMIUM_SECONDS); its log ends:" >&2
        tail -n 5 "$work/log" >&2
        exit 1
        ;;
esac
