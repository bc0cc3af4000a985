#!/usr/bin/env bash
# Starts a server and lets a third-party QUIC stack talk to it.
set -euo pipefail
cd "$(dirname "$0")/.."

line=$(mktemp)
trap 'kill "$server" 2>/dev/null || true; rm -f "$line"' EXIT
cargo build --release --locked --quiet
target/release/downbeat serve --game field --walkers 50 --visible 16 --listen 127.0.0.1:0 >"$line" &
server=$!
for _ in $(seq 50); do [ -s "$line" ] && break; sleep 0.1; done
word() { grep -o -e "$1[^ ;]*" "$line" | head -1 | sed "s/^$1//"; }
scripts/interop.sh "$(word '--connect ')" "$(word '--cert-sha256 ')" "$(word 'game=')" "$(word 'schema=')" \
    "$(word 'model=')"
