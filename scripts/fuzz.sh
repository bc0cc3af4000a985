#!/usr/bin/env bash
# Runs every fuzz target for so many seconds (60), or those that are named: scripts/fuzz.sh [SECONDS [TARGET]...]
# Needs a nightly toolchain. What is found new is kept in target/fuzz-corpus; bytes that show a mistake stay in
# target/fuzz-found, and the script fails.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
shift || true
command -v cargo-fuzz >/dev/null || [ -x target/tools/bin/cargo-fuzz ] ||
    cargo install cargo-fuzz --locked --quiet --root target/tools --version '^0.13'
PATH="$PWD/target/tools/bin:$PATH"
target=$(rustc -vV | sed -n 's/^host: //p')
# There is no unsafe code to watch, and without the sanitizer it is several times as fast.
build=(--sanitizer none --target-dir target/fuzz --target "$target")
cargo +nightly fuzz build "${build[@]}"
targets=("$@")
[ $# -gt 0 ] || mapfile -t targets < <(cargo +nightly fuzz list)
failed=()
for name in "${targets[@]}"; do
    mkdir -p "target/fuzz-corpus/$name" "target/fuzz-found/$name"
    log="target/fuzz-corpus/$name.log"
    printf '%-8s ' "$name"
    if timeout $((seconds + 120)) "target/fuzz/$target/release/$name" "target/fuzz-corpus/$name" "fuzz/corpus/$name" \
        -max_total_time="$seconds" -max_len=2048 -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="target/fuzz-found/$name/" >"$log" 2>&1; then
        sed -n 's/^stat::number_of_executed_units: */tried /p' "$log"
    else
        echo "FAILED: $log"
        grep -a -A 3 'panicked at\|ERROR: libFuzzer' "$log" | head -8 || true
        failed+=("$name")
    fi
done
[ ${#failed[@]} -eq 0 ] || {
    echo "found in target/fuzz-found: ${failed[*]}"
    exit 1
}
