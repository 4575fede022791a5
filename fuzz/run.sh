#!/bin/sh
# Runs every target under libFuzzer, one after the other, and ends in one line for each: runs, findings, slowest input, most memory. What is
# found is kept below target/fuzz/found. Needs a C++ compiler, for libFuzzer.
# usage: fuzz/run.sh SECONDS [TARGET ...]
set -u
cd "$(dirname "$0")/.." || exit 1
seconds=${1:?usage: fuzz/run.sh SECONDS [TARGET ...]}
shift
place=$PWD/target/fuzz
mkdir -p "$place/found" "$place/grown"

# What `cargo fuzz` passes, but for a sanitizer: those do not go with what stable Rust has, and there is nothing of ours that is unsafe here.
RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
-Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1"
export RUSTFLAGS
# What is large comes from the kernel and is zero already, and need not be made so: `fuser` takes 16 MiB for each input.
GLIBC_TUNABLES=glibc.malloc.mmap_threshold=131072
export GLIBC_TUNABLES
${CARGO:-cargo} build --quiet --release --locked --manifest-path fuzz/Cargo.toml -p engine --target-dir target/fuzz/engine || exit 1
engine=$place/engine/x86_64-unknown-linux-gnu/release/engine

[ "$#" -gt 0 ] || set -- $(cd fuzz/corpus && ls)
bad=0
lines=$(mktemp)
trap 'rm -f "$lines"' EXIT
for target in "$@"; do
    grown=$place/grown/$target
    log=$place/found/$target.log
    figures=$place/found/$target.figures
    mkdir -p "$grown"
    rm -f "$figures"
    # Inputs that are found along the way are kept outside of the tree; fuzz/README.md says how the best of them get into it.
    LAZARET_FUZZ_TARGET=$target LAZARET_FUZZ_FIGURES=$figures "$engine" "$grown" "fuzz/corpus/$target" \
        -max_total_time="$seconds" -max_len=16384 -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 -artifact_prefix="$place/found/$target-" \
        > "$log" 2>&1
    status=$?
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    found=0
    if [ "$status" -ne 0 ]; then
        found=1 bad=1
        echo "$target: found something; see $log" >&2
    fi
    awk -v target="$target" -v runs="${runs:-0}" -v found="$found" '
        { ms = $1 / 1000000; kib = $2 / 1024 }
        END { printf "%s: %d runs, %d found, slowest %.1f ms, most memory %d KiB\n", target, runs, found, ms, kib }' \
        "$([ -f "$figures" ] && echo "$figures" || echo /dev/null)" | tee -a "$lines"
done
echo
cat "$lines"
exit "$bad"
