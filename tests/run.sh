#!/usr/bin/env bash
# Builds sparsr and runs every test, in one command, on a bare machine with Rust.
#
# Tests of the GPU path need a Vulkan adapter; one in software will do. Where none is found, this installs
# Mesa's on Debian and Ubuntu if it may, and otherwise says what to install. Set SPARSR_NO_GPU=1 to run
# without one: the tests that need it then say that they skip.
set -euo pipefail
cd "$(dirname "$0")/.."

driver() {
    { compgen -G "/usr/share/vulkan/icd.d/*.json" || compgen -G "/etc/vulkan/icd.d/*.json" ||
        compgen -G "/usr/local/share/vulkan/icd.d/*.json"; } >/dev/null &&
        [[ "$(ldconfig -p 2>/dev/null)" == *libvulkan.so.1* ]]
}

if [ "$(uname)" = Linux ] && [ -z "${SPARSR_NO_GPU:-}" ] && ! driver; then
    as_root=""
    [ "$(id -u)" = 0 ] || as_root="sudo -n"
    if command -v apt-get >/dev/null && $as_root true 2>/dev/null; then
        echo "No Vulkan driver found: installing Mesa's software driver (mesa-vulkan-drivers, libvulkan1)."
        $as_root apt-get update -qq
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
            mesa-vulkan-drivers libvulkan1
    else
        echo "No Vulkan driver found, and this script may not install one. Install your GPU's driver, or" >&2
        echo "Mesa's software driver: Debian, Ubuntu: apt install mesa-vulkan-drivers libvulkan1;" >&2
        echo "Fedora: dnf install mesa-vulkan-drivers vulkan-loader; Arch: pacman -S vulkan-swrast." >&2
        echo "Or set SPARSR_NO_GPU=1 to run the tests that need no GPU." >&2
        exit 1
    fi
fi

# What could not be looked at here is said at the end, whatever comes of the rest.
SPARSR_SKIPS="$(mktemp)"
export SPARSR_SKIPS
skips() {
    if [ -s "$SPARSR_SKIPS" ]; then
        echo "skipped:"
        sort -u "$SPARSR_SKIPS" | sed 's/^/  /'
    fi
    rm -f "$SPARSR_SKIPS"
}
trap skips EXIT

cargo test --release --features cli "$@"
