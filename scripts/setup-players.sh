#!/usr/bin/env bash
# Gets what the browser suite (tests/players) needs: Chromium and Node from Debian, where they are not there, and the
# players that tests/players/package-lock.json pins. Quick when all is there; fails where something cannot be had.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
command -v chromium >/dev/null || missing+=(chromium)
command -v node >/dev/null || missing+=(nodejs)
# Node from elsewhere than Debian brings npm along, and does not go with Debian's.
command -v npm >/dev/null || missing+=(npm)
if [ "${#missing[@]}" -gt 0 ]; then
    echo "setup: installing ${missing[*]}"
    as_root=()
    [ "$(id -u)" -eq 0 ] || as_root=(sudo)
    "${as_root[@]}" apt-get update -q
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
fi

cd tests/players
if cmp -s package-lock.json node_modules/.installed.json; then
    exit 0
fi
echo "setup: installing the players of tests/players"
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
cp package-lock.json node_modules/.installed.json
