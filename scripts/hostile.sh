#!/usr/bin/env bash
# Plays honest and hostile bots against a server, one kind of hostility after the other, and prints what each gained and did:
# the table of docs/bots.md. `scripts/hostile.sh [SECONDS [KIND…]]`: a run of each kind lasts so long (62 s), half of it honest.
# DOWNBEAT names a program that was built already, OUT a folder that keeps the reports, CLIENTS and SHARE how many play and
# how many of them are hostile.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-62}
shift || true
downbeat=${DOWNBEAT:-}
[ -n "$downbeat" ] || {
    cargo build --release --locked --quiet -p downbeat
    downbeat=${CARGO_TARGET_DIR:-target}/release/downbeat
}
kinds=("$@")
[ ${#kinds[@]} -gt 0 ] || mapfile -t kinds < <("$downbeat" bots --brain hostile:list | awk 'NR > 1 { print $1 }')
clients=${CLIENTS:-64} share=${SHARE:-25%}
work=$(mktemp -d)
admin=127.0.0.1:$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
out=${OUT:-$work}
mkdir -p "$out"
trap 'kill $(jobs -p) 2>/dev/null || true; wait; rm -rf "$work"' EXIT

# Those who attack beside the match come from another address, which is limited as any other is.
cat >"$work/server.toml" <<TOML
listen = "127.0.0.1:0"
players_max = 128
rooms_max = 1
address_exempt = ["127.0.0.1"]
admin.tokens = "$work/operators"
TOML
export DOWNBEAT_ADMIN_TOKEN=viewer-0123456789abcdef
echo "viewer hostile $DOWNBEAT_ADMIN_TOKEN" >"$work/operators"
"$downbeat" token --new-key EdDSA --key "$work/key.pem" >/dev/null
for n in $(seq "$clients"); do
    "$downbeat" token --key "$work/key.pem" --sub "player-$n" --seconds 3600
done >"$work/tickets"

play() {
    local kind=$1 brain=$2 name=$out/$1-$2 tickets=() token=() code=0
    # What a run before left must not be taken for this one's.
    rm -f "$name".*
    if [ "$kind" = ticket-replay ]; then
        tickets=(--ticket-keys "$work/key.pem.json")
        token=(--token "@$work/tickets")
    fi
    "$downbeat" serve --game arena --config "$work/server.toml" --admin "$admin" "${tickets[@]}" \
        >"$work/line" 2>"$work/log" &
    local server=$!
    for _ in $(seq 50); do [ -s "$work/line" ] && break; sleep 0.1; done
    word() { grep -o -e "$1[^ ;]*" "$work/line" | head -1 | sed "s/^$1//"; }
    "$downbeat" bots --game arena --connect "$(word '--connect ')" --cert-sha256 "$(word '--cert-sha256 ')" \
        "${token[@]}" --clients "$clients" --seconds "$seconds" --brain "hostile:$kind:$share:$brain" \
        --admin "http://$admin" --progress none --report "$name.json" >"$name.txt" 2>"$name.log" || code=$?
    kill -TERM "$server"
    wait "$server" || true
    : >"$work/line"
    echo "$kind, $brain: exit code $code" >&2
    # Not everybody was served, and late bots, are findings; anything else is no run.
    if [[ $code != [014] || ! -s $name.json ]]; then
        cat "$name.log" "$work/log" >&2
        exit 1
    fi
}

for kind in "${kinds[@]}"; do
    play "$kind" wander
    play "$kind" fight
done
python3 scripts/hostile.py "$out" "${kinds[@]}"
