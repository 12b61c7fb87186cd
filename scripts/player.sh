#!/usr/bin/env bash
# Builds the player page into player/dist where Node is there. Without Node, and when packages cannot be fetched, the
# program is built all the same: `reelmill play` then shows how to open the streams in mpv or VLC.
set -euo pipefail
cd "$(dirname "$0")/../player"

if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    echo "player: Node is not here; \`reelmill play\` will have no page of its own (apt-get install nodejs npm adds it)"
    exit 0
fi
newest=$(find src package.json package-lock.json build.mjs -type f -newer dist/index.html 2>/dev/null | head -n 1 || true)
if [ -f dist/index.html ] && [ -z "$newest" ]; then
    exit 0
fi
if ! { npm ci --ignore-scripts --loglevel=error && npm run --silent build; }; then
    echo "player: the page could not be built (see above); going on without it" >&2
fi
