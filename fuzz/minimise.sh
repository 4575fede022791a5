#!/bin/sh
# Makes corpora anew from themselves and from what `make fuzz` has found: the smallest inputs that reach what all of them reach. Inputs whose
# name begins with `found-` stay as they are. Needs what fuzz/run.sh has built.
# usage: fuzz/minimise.sh MOST_BYTES_OF_A_FOUND_INPUT [TARGET ...]
set -eu
cd "$(dirname "$0")/.."
most=${1:?usage: fuzz/minimise.sh MOST_BYTES_OF_A_FOUND_INPUT [TARGET ...]}
shift
place=$PWD/target/fuzz
engine=$place/engine/x86_64-unknown-linux-gnu/release/engine
[ "$#" -gt 0 ] || set -- $(cd fuzz/corpus && ls)
for target in "$@"; do
    kept=$(mktemp -d) small=$(mktemp -d)
    # What was found and is too long for the tree is left out, not cut.
    mkdir -p "$place/grown/$target" "fuzz/corpus/$target"
    find "$place/grown/$target" -type f -size "-${most}c" -exec cp -t "$small" {} +
    find "fuzz/corpus/$target" -type f -exec cp -t "$small" {} +
    LAZARET_FUZZ_TARGET=$target "$engine" -set_cover_merge=1 "$kept" "$small" > "$place/minimise.log" 2>&1
    find "fuzz/corpus/$target" -type f ! -name 'found-*' -delete
    for input in "$kept"/*; do cp "$input" "fuzz/corpus/$target/$(sha1sum < "$input" | cut -c 1-12)"; done
    echo "$target: $(ls "fuzz/corpus/$target" | wc -l) inputs, $(cat "fuzz/corpus/$target"/* | wc -c) bytes"
    rm -r "$kept" "$small"
done
