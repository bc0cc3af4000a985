#!/usr/bin/env bash
# Has a real Prometheus read a server under load, and checks what it finds: that the page is well-formed, that every metric
# that a rule or the dashboard names is there, and that each of their expressions can be worked out.
# `scripts/metrics.sh PROGRAM` takes a program that was built already.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v promtool >/dev/null || {
    sudo=$([ "$(id -u)" = 0 ] || echo sudo)
    $sudo apt-get update --quiet >/dev/null
    $sudo apt-get install --yes --quiet --no-install-recommends prometheus >/dev/null
}
downbeat=${1:-}
[ -n "$downbeat" ] || {
    cargo build --release --locked --quiet
    downbeat=${CARGO_TARGET_DIR:-target}/release/downbeat
}

promtool check rules assets/prometheus/downbeat.rules.yml
promtool check config assets/prometheus/prometheus.yml
promtool test rules assets/prometheus/downbeat.test.yml

out=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; wait; rm -rf "$out"' EXIT
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
admin=127.0.0.1:$(free_port)
prometheus=127.0.0.1:$(free_port)

DOWNBEAT_RESULTS_FILE="$out/records.jsonl" "$downbeat" serve --game field --walkers 50 --visible 16 --shards 2 \
    --players-max 8 --listen 127.0.0.1:0 --admin "$admin" >"$out/line" 2>"$out/log" &
for _ in $(seq 50); do [ -s "$out/line" ] && break; sleep 0.1; done
word() { grep -o -e "$1[^ ;]*" "$out/line" | head -1 | sed "s/^$1//"; }
"$downbeat" bots --connect "$(word '--connect ')" --cert-sha256 "$(word '--cert-sha256 ')" --game field --clients 16 \
    --seconds 20 >"$out/bots" 2>&1 &

# The same configuration, but for where it looks and how often.
sed -e "s/127.0.0.1:[0-9]*/$admin/; s/: 5s/: 1s/" assets/prometheus/prometheus.yml >"$out/prometheus.yml"
cp assets/prometheus/downbeat.rules.yml "$out"
prometheus --config.file="$out/prometheus.yml" --storage.tsdb.path="$out/data" --web.listen-address="$prometheus" \
    >"$out/prometheus.log" 2>&1 &

python3 - "$prometheus" "$admin" "$out/page" <<'PYTHON'
import json, re, sys, time, urllib.error, urllib.parse, urllib.request

prometheus, admin, page = sys.argv[1:]


def ask(path, **arguments):
    url = f"http://{prometheus}/api/v1/{path}?{urllib.parse.urlencode(arguments)}"
    try:
        answer = json.load(urllib.request.urlopen(url, timeout=10))
    except urllib.error.HTTPError as error:
        answer = json.load(error)
    assert answer["status"] == "success", (arguments, answer)
    return answer["data"]


def query(expression):
    return ask("query", query=expression)["result"]


def value(expression):
    result = query(expression)
    return float(result[0]["value"][1]) if result else None


deadline = time.monotonic() + 60
while True:
    try:
        # Both shards, and enough of a past for rates.
        if value('sum(downbeat_players{role="player"})') == 16 and value("count_over_time(up[1m])") >= 8:
            break
    except (OSError, AssertionError, TypeError):
        pass
    assert time.monotonic() < deadline, "no 16 players were seen within a minute"
    time.sleep(0.5)

with urllib.request.urlopen(f"http://{admin}/metrics", timeout=10) as answer:
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4"), answer.headers
    open(page, "wb").write(answer.read())

rules = open("assets/prometheus/downbeat.rules.yml").read()
dashboard = json.load(open("assets/grafana/downbeat.json"))
expressions = [rule["query"] for group in ask("rules")["groups"] for rule in group["rules"]]
assert len(expressions) == rules.count("- alert:") > 20, len(expressions)
panels = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
assert len(panels) > 50, len(panels)
filled = lambda text: text.replace("$__rate_interval", "5s").replace("$instance", ".*")
names = set(re.findall(r"\b(?:downbeat|process)_\w+", " ".join(expressions + panels)))
missing = sorted(name for name in names if not query(name))
assert not missing, f"nobody tells {missing}"
for expression in expressions:
    query(expression)
empty = [text for text in panels if not query(filled(text)) and not text.endswith(" > 0")]
assert not empty, f"panels without numbers: {empty}"
wrong = [rule for group in ask("rules")["groups"] for rule in group["rules"] if rule["health"] == "err"]
assert not wrong, wrong
firing = [alert["labels"]["alertname"] for alert in ask("alerts")["alerts"] if alert["state"] == "firing"]

for expression in [
    "sum(rate(downbeat_ticks_total[5s]))",
    'sum(rate(downbeat_inputs_total{outcome="consumed"}[5s]))',
    'sum(rate(downbeat_snapshots_total{outcome="sent"}[5s]))',
    'sum(rate(downbeat_udp_bytes_total{direction="out"}[5s]))',
    "count(downbeat_shard_beats_total)",
    "histogram_quantile(0.99, sum by (le) (rate(downbeat_rtt_seconds_bucket[5s])))",
    'sum(downbeat_records_total{sink="file",outcome="delivered"})',
]:
    assert value(expression) > 0, expression
    print(f"{value(expression):12.4f}  {expression}")
families = sum(line.startswith("# TYPE") for line in open(page))
print(f"{families} families; {len(names)} names of {len(expressions)} rules and {len(panels)} panel queries are there; firing: {firing}")
PYTHON
promtool check metrics <"$out/page"
echo "metrics: Prometheus reads them, rules and dashboard find all they name"
