#!/usr/bin/env bash
# The dashboard in a real browser, on a server that bots play on: no error in its console, values that move, what buttons do;
# and pictures of it, light, dark and on a phone, in target/dashboard. Needs npm, and Chromium, which it installs if it may.
# DOWNBEAT names a program to try instead of building one, CHROMIUM a browser.
set -euo pipefail
cd "$(dirname "$0")/.."

. scripts/browser.sh
if [ -z "${DOWNBEAT:-}" ]; then
    cargo build --release --locked --quiet
    DOWNBEAT=${CARGO_TARGET_DIR:-target}/release/downbeat
fi

out=$(mktemp -d)
server='' bots=''
trap 'kill $server $bots 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$out"' EXIT
printf 'viewer eve viewer-0123456789\nmoderator mo moderator-0123456789\nadmin ada admin-0123456789\n' >"$out/tokens"
chmod 600 "$out/tokens"
printf '[admin]\nlisten = "127.0.0.1:0"\ntokens = "tokens"\n' >"$out/server.toml"
"$DOWNBEAT" serve --config "$out/server.toml" --listen 127.0.0.1:0 --game arena --players-max 16 --rooms-max 8 \
    --drain-deadline 3600 >"$out/server" 2>"$out/log" &
server=$!
for _ in $(seq 100); do
    grep -q dashboard "$out/server" && break
    sleep 0.1
done
page=$(sed -n 's/.*dashboard: \(http:[^;]*\).*/\1/p' "$out/server")
[ -n "$page" ] || {
    cat "$out/server" "$out/log"
    exit 1
}
read -r address certificate < <(sed -n 's/.*--connect \([^ ]*\).*--cert-sha256 \([^ ]*\).*/\1 \2/p' "$out/server")
"$DOWNBEAT" bots --connect "$address" --cert-sha256 "$certificate" --game arena --clients "${BOTS:-36}" --light 0 \
    --seconds 600 --net broadband >"$out/bots" 2>&1 &
bots=$!

mkdir -p target/dashboard
NODE_PATH=$tools/node_modules node scripts/dashboard.cjs "$browser" "$page" target/dashboard
kill -0 "$server" 2>/dev/null && {
    echo "the server was drained and all were sent away, and it goes on"
    exit 1
}
echo "dashboard: fine; pictures are in target/dashboard"
