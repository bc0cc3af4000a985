#!/usr/bin/env bash
# Licences, banned crates and sources of every dependency; advisories where their database can be reached.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v cargo-deny >/dev/null || [ -x target/tools/bin/cargo-deny ] ||
    cargo install cargo-deny --locked --quiet --root target/tools --version '^0.20' --no-default-features
PATH="$PWD/target/tools/bin:$PATH"
cargo deny --all-features check bans licenses sources
timeout 60 cargo deny check advisories 2>/tmp/advisories.$$ || {
    if grep -q -i 'fetch\|resolve\|network\|connect' /tmp/advisories.$$; then
        echo "advisories: their database cannot be reached from here; not checked"
    else
        cat /tmp/advisories.$$
        rm -f /tmp/advisories.$$
        exit 1
    fi
}
rm -f /tmp/advisories.$$
