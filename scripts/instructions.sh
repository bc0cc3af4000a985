#!/usr/bin/env bash
# Counts the instructions of the hot calls and holds them against benches/instructions.txt: more than 5 % more fails.
# Where that is worth it, `scripts/instructions.sh --accept` writes the new counts; say why in the commit.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v valgrind >/dev/null || {
    sudo=$([ "$(id -u)" = 0 ] || echo sudo)
    $sudo apt-get install --yes --quiet --no-install-recommends valgrind >/dev/null
}
cargo run --profile dist --locked --quiet -p downbeat-benches -- instructions "$@"
