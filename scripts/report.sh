#!/usr/bin/env bash
# The bots' report as a page in a real browser: no error in its console, no request, nothing wider than the window; and pictures
# of it, light, dark and on a phone, in target/report. Needs npm, and Chromium, which it installs if it may.
# DOWNBEAT names a program to try instead of building one, CHROMIUM a browser, REPORT a page to look at instead of making one.
set -euo pipefail
cd "$(dirname "$0")/.."

find_browser() { command -v chromium || command -v chromium-browser || command -v google-chrome || true; }
browser=${CHROMIUM:-$(find_browser)}
if [ -z "$browser" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq && apt-get install -qq -y --no-install-recommends chromium >/dev/null
    browser=$(find_browser)
fi
[ -n "$browser" ] || {
    echo "there is no Chromium; Debian has it: apt install chromium"
    exit 1
}
tools=$PWD/target/tools/dashboard
[ -d "$tools/node_modules/playwright-core" ] || {
    mkdir -p "$tools"
    npm install --silent --no-fund --no-audit --prefix "$tools" playwright-core@1
}
mkdir -p target/report
if [ -z "${REPORT:-}" ]; then
    if [ -z "${DOWNBEAT:-}" ]; then
        cargo build --release --locked --quiet
        DOWNBEAT=${CARGO_TARGET_DIR:-target}/release/downbeat
    fi
    REPORT=$PWD/target/report/report.html
    # Whether the machine keeps up is not the page's affair.
    "$DOWNBEAT" demo --clients 16 --seconds "${SECONDS_PLAYED:-20}" --net wifi --html "$REPORT" >target/report/log 2>&1 || [ $? = 4 ] || {
        cat target/report/log
        exit 1
    }
fi
bytes=$(wc -c <"$REPORT")
[ "$bytes" -lt 2000000 ] || {
    echo "the page has $bytes bytes; 2 MB are allowed"
    exit 1
}
NODE_PATH=$tools/node_modules node scripts/report.cjs "$browser" "$REPORT" target/report
echo "report: fine, $bytes bytes; pictures are in target/report"
