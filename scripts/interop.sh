#!/usr/bin/env bash
# Checks that a third-party QUIC stack (aioquic) gets along with a running server.
#
#   scripts/interop.sh ADDRESS FINGERPRINT GAME SCHEMA_HASH MODEL_HASH
#
# The first run makes a Python environment under target/, which needs PyPI.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly AIOQUIC=1.7.2
readonly VENV=${CARGO_TARGET_DIR:-target}/interop-venv

if [ $# -ne 5 ]; then
    sed -n '2,6s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
if ! "$VENV/bin/python" -c "import aioquic, sys; sys.exit(aioquic.__version__ != '$AIOQUIC')" 2>/dev/null; then
    rm -rf "$VENV"
    python3 -m venv "$VENV"
    "$VENV/bin/pip" install --quiet --disable-pip-version-check "aioquic==$AIOQUIC"
fi
exec "$VENV/bin/python" scripts/interop.py "$@"
