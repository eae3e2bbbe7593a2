#!/usr/bin/env bash
# Checks the Python wheel as whoever installs it meets it:
#
#   bindings/python/check.sh [WHEEL]
#
# builds the wheel, or takes that one; installs it into an environment that is made for it; and runs the tests, the
# examples of docs/python.md among them, and mypy's stubtest. SPARSR names the program that pictures are held against;
# without it, one that is built already is taken. SPARSR_RAY=1 installs Ray too, which takes 640 MB, and tests with it.
# What a machine has not got is skipped, aloud.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cd "$root"

# The most that a wheel may have, in bytes. One that is built here shares what a release build has built: it is not
# optimised as a whole, as --profile wheel does it, and may have more.
most=6000000
if [ $# -eq 0 ]; then most=6700000; fi

step() { printf -- '-- %s\n' "$*"; }

python=
for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
    if "$candidate" -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo "skipped: there is no Python from 3.11 on with venv (no wheel is built or tested)"
    exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export SPARSR_CACHE="$work/cache"

step "a fresh environment"
"$python" -m venv "$work/venv"
tools=(maturin==1.16.0 mypy==2.4.1 pytest==9.2.0 numpy pillow)
if [ "${SPARSR_RAY:-}" = 1 ]; then tools+=("ray[data]"); fi
if ! "$work/venv/bin/pip" install --quiet --disable-pip-version-check --retries 1 "${tools[@]}"; then
    echo "skipped: pip cannot install ${tools[*]} (no wheel is built or tested)"
    exit 0
fi
export PATH="$work/venv/bin:$PATH" VIRTUAL_ENV="$work/venv"

if [ $# -ge 1 ]; then
    wheel=$1
else
    step "build"
    maturin build --quiet --release --locked --manifest-path "$here/Cargo.toml" --out "$work/wheel"
    wheel=$(echo "$work"/wheel/*.whl)
fi
bytes=$(wc -c <"$wheel")
echo "$(basename "$wheel"): $bytes bytes"
if [ "$bytes" -gt "$most" ]; then
    echo "a wheel has at most $most bytes" >&2
    exit 1
fi

step "install"
pip install --quiet --disable-pip-version-check "$wheel"

step "types"
cd "$work"
python -m mypy.stubtest sparsr --ignore-missing-stub --mypy-config-file "$here/pyproject.toml"
python -m mypy --config-file "$here/pyproject.toml" -p sparsr

step "tests"
if [ -z "${SPARSR:-}" ]; then
    built="${CARGO_TARGET_DIR:-$root/target}/release/sparsr"
    if [ -x "$built" ]; then export SPARSR="$built"; fi
fi
python -m pytest -q -rs -p no:cacheprovider "$here/tests"
