#!/usr/bin/env bash
# Starts a server of one shard and one of eight, most of which send a client elsewhere, and lets a third-party QUIC stack
# talk to them.
set -euo pipefail
cd "$(dirname "$0")/.."

line=$(mktemp)
trap 'kill "$server" 2>/dev/null || true; rm -f "$line"' EXIT
cargo build --release --locked --quiet
downbeat=${CARGO_TARGET_DIR:-target}/release/downbeat
word() { grep -o -e "$1[^ ;]*" "$line" | head -1 | sed "s/^$1//"; }
for shards in 1 8; do
    : >"$line"
    "$downbeat" serve --game field --walkers 50 --visible 16 --listen 127.0.0.1:0 --shards "$shards" >"$line" &
    server=$!
    for _ in $(seq 50); do [ -s "$line" ] && break; sleep 0.1; done
    scripts/interop.sh "$(word '--connect ')" "$(word '--cert-sha256 ')" "$(word 'game=')" "$(word 'schema=')" \
        "$(word 'model=')"
    kill "$server"
    wait "$server"
done
