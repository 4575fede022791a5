# Read by run.sh and vm/run.sh: what they print at the end.

# counts LOG SKIPS STEPS: names what was skipped and what failed, and ends in the line that counts. STEPS failed outside of a test.
# The status is 0 if something passed and nothing failed.
counts() {
    log=$1 skips=$2 steps=$3
    # cargo says "test result: ok. 3 passed; 0 failed; 1 ignored; ..." for each test program.
    numbers=$(awk '/^test result: / {
        for (i = 1; i <= NF; i++) {
            if ($i == "passed;") passed += $(i - 1)
            if ($i == "failed;") failed += $(i - 1)
            if ($i == "ignored;") ignored += $(i - 1)
        }
    } END { printf "%d %d %d", passed, failed, ignored }' "$log")
    # shellcheck disable=SC2086
    set -- $numbers
    skipped_inside=$(grep -c . "$skips" || true)
    passed=$(($1 - skipped_inside))
    failed=$(($2 + steps))
    skipped=$(($3 + skipped_inside))

    echo
    if [ "$skipped" -gt 0 ]; then
        echo "Skipped:"
        sed 's/^/  /' "$skips"
        grep -E '^test .* \.\.\. ignored' "$log" | sed 's/^test /  /'
    fi
    if [ "$failed" -gt 0 ]; then
        echo "Failed:"
        grep -E '^test .* \.\.\. FAILED' "$log" | sed 's/^test /  /'
    fi
    echo "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}
