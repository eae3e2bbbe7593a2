#!/usr/bin/env bash
# Installs the C library, which is built already, where a program and its build find it:
#
#   bindings/c/install.sh PREFIX [FOLDER]
#
# puts PREFIX/lib/libsparsr.{so,a}, PREFIX/include/sparsr.h and PREFIX/lib/pkgconfig/sparsr.pc there. FOLDER is where cargo
# left the library, target/release if it is not named. Packagers who want versioned names take `cargo cinstall` (cargo-c).
set -euo pipefail

[ $# -ge 1 ] || { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1/lib/pkgconfig" "$1/include"
prefix=$(cd "$1" && pwd)
folder=${2:-${CARGO_TARGET_DIR:-$here/../../target}/release}

for library in libsparsr.so libsparsr.dylib libsparsr.a; do
    if [ -e "$folder/$library" ]; then
        install -m 755 "$folder/$library" "$prefix/lib/"
        installed=1
    fi
done
[ -n "${installed:-}" ] || {
    echo "$folder: expected libsparsr, found none; build it: cargo build --release -p sparsr-capi" >&2
    exit 1
}
install -m 644 "$here/sparsr.h" "$prefix/include/"
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$here/Cargo.toml" | head -n 1)
sed -e "s|@PREFIX@|$prefix|" -e "s|@VERSION@|$version|" "$here/sparsr.pc.in" >"$prefix/lib/pkgconfig/sparsr.pc"
