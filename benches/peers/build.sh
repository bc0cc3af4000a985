#!/usr/bin/env bash
# Builds the programs that `downbeat-benches peers` starts, into benches/peers/target/dist. Each by itself, since
# cargo would give all of them the features that any one asks for. Some minutes and 3 GB.
set -euo pipefail
cd "$(dirname "$0")"
for peer in "${@:-downbeat renet replicon lightyear naia}"; do
    for name in $peer; do
        cargo build --profile dist --target-dir target -p "peer-$name"
    done
done
