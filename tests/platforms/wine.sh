#!/usr/bin/env bash
# Builds sparsr for Windows and runs it under Wine 10: the CPU engine must make the same file, byte for byte, as the
# Linux build does, and Vulkan on the software adapter the same picture.
#
#   tests/platforms/wine.sh [--install]
#
# It runs on Linux on x86-64, as root, since Wine stands in a root folder of its own: Debian 13, whose Wine is the first
# that knows bcryptprimitives. Where something is missing it says what, and skips. With --install it gets what is
# missing from the system's own apt sources: mingw-w64 and debootstrap, and into the root folder (1.5 GB, some minutes)
# wine, xvfb and Mesa's software adapter. The folder is SPARSR_WINE_ROOT, by default sparsr-wine in the user's cache.
set -euo pipefail
cd "$(dirname "$0")/../.."

target=x86_64-pc-windows-gnu
release=trixie
root=${SPARSR_WINE_ROOT:-${XDG_CACHE_HOME:-$HOME/.cache}/sparsr-wine}
install=""
[ "${1:-}" = --install ] && install=yes

skip() {
    echo "Wine: skipped, $*"
    exit 0
}

# What `apt-get` would ask for packages of this system's release.
mirror() {
    apt-get indextargets --format '$(REPO_URI) $(COMPONENT)' 'Created-By: Packages' | awk '$2 == "main" { print $1; exit }'
}

# A root folder with Wine in it; packages are fetched once.
make_root() {
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends debootstrap gcc-mingw-w64-x86-64
    [ -e "$root/etc/debian_version" ] || debootstrap --variant=minbase "$release" "$root" "$(mirror)"
    DEBIAN_FRONTEND=noninteractive chroot "$root" apt-get install -y -qq --no-install-recommends \
        wine wine64 xvfb xauth mesa-vulkan-drivers
}

[ "$(uname -sm)" = "Linux x86_64" ] || skip "this is not Linux on x86-64"
[ "$(id -u)" = 0 ] || skip "it needs root, to run a program in a root folder of its own"
if [ -n "$install" ]; then
    command -v apt-get >/dev/null || skip "--install needs apt-get"
    [ -x "$root/usr/bin/wine" ] || make_root
fi
[ -x "$root/usr/bin/wine" ] || skip "no Wine in $root; --install makes one (SPARSR_WINE_ROOT names another place)"
unshare --mount true 2>/dev/null || skip "this system lets nobody mount folders, and Wine needs /proc in its root folder"
command -v x86_64-w64-mingw32-gcc >/dev/null || skip "no mingw-w64 to link with; --install gets it (gcc-mingw-w64-x86-64)"
if ! rustup target list --installed 2>/dev/null | grep -qx "$target"; then
    [ -n "$install" ] && rustup target add "$target" || skip "no Rust for $target; rustup target add $target gets it"
fi

built=${CARGO_TARGET_DIR:-target}
cargo build --release --features cli
cargo build --release --features cli --target "$target"

# Where both worlds see it, and gone at the end.
shared=$(mktemp -d "$root/tmp/sparsr-XXXXXX")
trap 'rm -rf "$shared"' EXIT
inside=${shared#"$root"}
cp "$built/$target/release/sparsr.exe" tests/pictures/harbour.png "$shared"

# The Windows program with these arguments. Wine looks for its own files through /proc, and shows a Vulkan device only
# where there is a display.
windows() {
    unshare --mount sh -c 'mount --bind /proc "$0/proc" && mount --bind /dev "$0/dev" && exec chroot "$0" "$@"' "$root" \
        env HOME=/root LANG=C.UTF-8 WINEDEBUG=-all WINEDLLOVERRIDES=mscoree,mshtml= SPARSR_CACHE="Z:$inside/cache" \
        sh -c 'cd "$0" && exec xvfb-run -a wine sparsr.exe "$@"' "$inside" "$@"
}

"$built/release/sparsr" upscale "$shared/harbour.png" -o "$shared/linux.png" --device cpu
windows upscale harbour.png -o cpu.png --device cpu
cmp "$shared/linux.png" "$shared/cpu.png"
echo "Wine: the CPU engine's file is the Linux build's, byte for byte"

windows devices
windows upscale harbour.png -o vulkan.png --device llvmpipe
cmp "$shared/linux.png" "$shared/vulkan.png"
echo "Wine: Vulkan on the software adapter makes the same file"
