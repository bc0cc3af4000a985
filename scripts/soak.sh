#!/usr/bin/env bash
# A server under players who come and go, for ten minutes (or the seconds given): its memory must not grow once everybody has
# been there, and its ticks must neither drift nor be lost. Prints what it saw; exit code 3 when something does not hold.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-600}
cargo build --profile dist --locked --quiet
binary=target/dist/downbeat
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$folder"' EXIT

"$binary" serve --game field --listen 127.0.0.1:0 --players-max 40 --rooms-max 8 --report "$folder/report.json" >"$folder/line" &
server=$!
for _ in $(seq 50); do [ -s "$folder/line" ] && break; sleep 0.1; done
word() { grep -o -e "$1[^ ;]*" "$folder/line" | head -1 | sed "s/^$1//"; }
address=$(word '--connect ') certificate=$(word '--cert-sha256 ')

# One who stays keeps the first room open, which must then have ticked all the time.
"$binary" bots --connect "$address" --cert-sha256 "$certificate" --game field --clients 1 --seconds $((seconds + 60)) \
    >>"$folder/bots" 2>&1 &

# Three crowds whose stays differ, so that rooms fill, empty, open and close.
crowd() {
    local seed=0
    while :; do
        seed=$((seed + 1))
        "$binary" bots --connect "$address" --cert-sha256 "$certificate" --game field --clients "$1" --seconds "$2" \
            --seed "$seed" >>"$folder/bots" 2>&1 || true
    done
}
crowd 20 7 &
crowd 30 19 &
crowd 40 31 &

rss_kib() { awk '/^VmRSS/ { print $2 }' "/proc/$server/status"; }
samples=10
echo "   time   memory of the server"
for sample in $(seq "$samples"); do
    sleep $((seconds / samples))
    kib=$(rss_kib)
    printf '%5d s   %6.1f MiB\n' $((sample * (seconds / samples))) "$(awk "BEGIN { print $kib / 1024 }")"
    echo "$kib" >>"$folder/rss"
done
kill -TERM "$server"
wait "$server" || true

# Everybody was there in the first fifth. After it, the median of the last half may exceed that of the first by a twentieth.
median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
early=$(sed -n '3,6p' "$folder/rss" | median)
late=$(sed -n '7,10p' "$folder/rss" | median)
figure() { grep -o "\"$1\": *[0-9.]*" "$folder/report.json" | tail -1 | grep -o '[0-9.]*$'; }
most() { sed -n '/"rooms": \[/,$p' "$folder/report.json" | grep -o "\"$1\": *[0-9]*" | grep -o '[0-9]*$' | sort -n | tail -1; }
ticks=$(most ticks) ran=$(figure seconds) left_out=$(figure ticks_left_out) admitted=$(figure admitted)
rooms=$(figure rooms_opened) failed=$(figure rooms_failed) overruns=$(figure overruns)
awk -v early="$early" -v late="$late" -v ticks="$ticks" -v ran="$ran" -v out="$left_out" -v admitted="$admitted" \
    -v rooms="$rooms" -v failed="$failed" -v overruns="$overruns" 'BEGIN {
    drift = ticks + out - ran * 60
    printf "%d players came, %d rooms were opened, %d failed; %d overruns, %d ticks left out\n", admitted, rooms, failed, overruns, out
    printf "memory, median of the second half against the first: %.1f and %.1f MiB (%+.1f %%)\n", late / 1024, early / 1024, (late / early - 1) * 100
    # Nobody ticks during the farewell, half a second at most.
    printf "ticks: %d in %.3f s at 60 Hz, the farewell included: %+.1f off the schedule\n", ticks, ran, drift
    exit (late > early * 1.05 || drift > 2 || drift < -32 || failed > 0) ? 3 : 0
}'
