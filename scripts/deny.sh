#!/usr/bin/env bash
# Licences, banned crates and sources of every dependency; advisories where their database can be reached.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v cargo-deny >/dev/null || [ -x target/tools/bin/cargo-deny ] ||
    cargo install cargo-deny --locked --quiet --root target/tools --version '^0.20' --no-default-features
PATH="$PWD/target/tools/bin:$PATH"
cargo deny --all-features check bans licenses sources
log=$(mktemp)
trap 'rm -f "$log"' EXIT
timeout 60 cargo deny check advisories 2>"$log" || {
    # Its own words when the database cannot be had; anything else is a finding.
    if ! grep -q 'failed to fetch advisory database' "$log"; then
        cat "$log"
        exit 1
    fi
    echo "advisories: their database cannot be reached from here; not checked"
}
