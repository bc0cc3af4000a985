#!/usr/bin/env bash
# The bots' report as a page in a real browser: no error in its console, no request, nothing wider than the window; and pictures
# of it, light, dark and on a phone, in target/report. Needs npm, and Chromium, which it installs if it may.
# DOWNBEAT names a program to try instead of building one, CHROMIUM a browser, REPORT a page to look at instead of making one.
set -euo pipefail
cd "$(dirname "$0")/.."

. scripts/browser.sh
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
