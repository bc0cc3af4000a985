#!/usr/bin/env bash
# The bots' report as a page in a real browser, of honest bots, of a scenario, and of a run with hostile bots: no error in its console, no request,
# nothing wider than the window; and pictures of it, light, dark and on a phone, in target/report. Needs npm, and Chromium, which
# it installs if it may.
# DOWNBEAT names a program to try instead of building one, CHROMIUM a browser, REPORT a page to look at instead of making some.
set -euo pipefail
cd "$(dirname "$0")/.."

. scripts/browser.sh
mkdir -p target/report

# Plays with the flags that follow, writes the page of it, and looks at that.
play() {
    local page=$PWD/target/report/$1.html
    shift
    # Whether the machine keeps up is not the page's affair.
    "$DOWNBEAT" demo --html "$page" "$@" >target/report/log 2>&1 || [ $? = 4 ] || {
        cat target/report/log
        exit 1
    }
    look "$page"
}

# Plays a scenario with phases, groups and gates, one of which fails, and looks at the page of it.
play_scenario() {
    local page=$PWD/target/report/scenario.html log=target/report/log server flags code=0
    "$DOWNBEAT" serve --listen 127.0.0.1:0 >"$log" 2>&1 &
    server=$!
    for _ in $(seq 100); do
        grep -q -- '--connect' "$log" && break
        sleep 0.1
    done
    read -ra flags <<<"$(grep -o -- '--connect.*' "$log" | head -1)"
    "$DOWNBEAT" bots "${flags[@]}" --scenario scripts/report.toml --html "$page" >>"$log" 2>&1 || code=$?
    kill -INT "$server"
    wait "$server" || true
    [ "$code" = 3 ] || [ "$code" = 4 ] || {
        cat "$log"
        echo "the scenario ended with $code"
        exit 1
    }
    look "$page"
}

look() {
    local page=$1 name bytes
    name=$(basename "$page" .html)
    bytes=$(wc -c <"$page")
    [ "$bytes" -lt 2000000 ] || {
        echo "the page $name has $bytes bytes; 2 MB are allowed"
        exit 1
    }
    NODE_PATH=$tools/node_modules node scripts/report.cjs "$browser" "$page" "target/report/$name"
    echo "$name: fine, $bytes bytes; pictures are in target/report"
}

if [ -n "${REPORT:-}" ]; then
    look "$REPORT"
    exit
fi
if [ -z "${DOWNBEAT:-}" ]; then
    cargo build --release --locked --quiet
    DOWNBEAT=${CARGO_TARGET_DIR:-target}/release/downbeat
fi
play report --clients 16 --seconds "${SECONDS_PLAYED:-20}" --net wifi
play_scenario
play hostile --clients 24 --seconds 14 --brain hostile:lag
