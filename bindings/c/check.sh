#!/usr/bin/env bash
# Checks the C library as a program in C meets it:
#
#   bindings/c/check.sh [FOLDER]
#
# builds the library and the program, or takes them from FOLDER, where they are built already, with the header in step; installs
# the library into a folder of its own; compiles tests/api.c and the example of docs/c.md by pkg-config, with every warning an
# error; and runs them plainly, under AddressSanitizer and under valgrind. Pictures are the program's, byte for byte.
# What a machine has not got is skipped, aloud.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cd "$root"

step() { printf -- '-- %s\n' "$*"; }
has() { command -v "$1" >/dev/null || { echo "skipped: there is no $1 ($2)"; return 1; }; }

if [ $# -ge 1 ]; then
    folder=$1
else
    step "build, and whether the header is in step"
    cargo build --release -p sparsr-capi
    cargo build --release --features cli --bin sparsr
    cargo test --quiet --release -p sparsr-capi
    folder=${CARGO_TARGET_DIR:-target}/release
fi
has gcc "no program in C can be compiled" || exit 0

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export SPARSR_CACHE="$work/cache"
bash "$here/install.sh" "$work/installed" "$folder"

if has pkg-config "its flags are written out instead"; then
    export PKG_CONFIG_PATH="$work/installed/lib/pkgconfig"
    compile=$(pkg-config --cflags sparsr) link=$(pkg-config --libs sparsr) static=$(pkg-config --libs --static sparsr)
else
    compile="-I$work/installed/include" link="-L$work/installed/lib -lsparsr" static="$link -lgcc_s -lutil -lrt -lpthread -lm -ldl -lc"
fi
export LD_LIBRARY_PATH="$work/installed/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
strict="-std=c99 -D_POSIX_C_SOURCE=200809L -Wall -Wextra -Wpedantic -Wstrict-prototypes -Werror -g -O1"

step "compile: C99, the example of docs/c.md, C++"
sed -n '/^```c$/,/^```$/{/^```/d;p}' docs/c.md >"$work/example.c"
test -s "$work/example.c"
gcc $strict $compile "$here/tests/api.c" -o "$work/api" $link -lpthread -lm
gcc $strict $compile "$work/example.c" -o "$work/example" $link
gcc $strict $compile -fsanitize=address,undefined -fno-sanitize-recover=all \
    "$here/tests/api.c" -o "$work/api-sanitized" $link -lpthread -lm
# The archive in the place of the library that is shared.
gcc $strict $compile "$work/example.c" -o "$work/example-static" \
    $(printf '%s' "$static" | sed "s|-lsparsr|$work/installed/lib/libsparsr.a|")
if has g++ "the header is not compiled as C++"; then
    printf '#include <sparsr.h>\nint main() { return sparsr_abi_version() == SPARSR_ABI_VERSION ? 0 : 1; }\n' >"$work/header.cpp"
    g++ -Wall -Wextra -Wpedantic -Werror $compile "$work/header.cpp" -o "$work/header" $link
    "$work/header"
fi

step "what the program makes of the same picture"
"$work/api" make "$work/small.ppm"
"$folder/sparsr" upscale "$work/small.ppm" -m edsrmini-x2 --device cpu -o "$work/large.bmp"
"$work/api" ppm "$work/large.bmp" "$work/large.ppm"
run=("$work/small.ppm" "$work/large.ppm" "$root/weights/edsrmini-x2.safetensors")

step "plainly"
"$work/api" check "${run[@]}"
"$work/api" gpu "${run[@]}"
for example in example example-static; do
    "$work/$example" "$work/small.ppm" "$work/$example.ppm"
    cmp "$work/$example.ppm" "$work/large.ppm"
done

step "under AddressSanitizer"
ASAN_OPTIONS=detect_leaks=1 "$work/api-sanitized" check "${run[@]}"

step "under valgrind"
if has valgrind "no reads and writes beside what is given are seen in the library itself"; then
    valgrind --quiet --error-exitcode=1 --leak-check=full --errors-for-leak-kinds=definite --show-leak-kinds=definite \
        "$work/api" brief "${run[@]}"
fi
