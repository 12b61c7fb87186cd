#!/usr/bin/env bash
# Runs the browser suite (tests/players) with the program PROGRAM (argument 1). Without Chromium it says so and goes on:
# not every system has it. With Chromium it runs.
set -euo pipefail
cd "$(dirname "$0")/.."

program=$(realpath "$1")
browser=${REELMILL_CHROMIUM:-$(command -v chromium || true)}
if [ -z "$browser" ]; then
    echo "test-players: NOT RUN: there is no Chromium here (\`make setup\` installs it where Debian has it)" >&2
    exit 0
fi
if ! command -v node >/dev/null || [ "$(node -p 'process.versions.node.split(".")[0] >= 18')" != true ]; then
    echo "test-players: there is Chromium, but no Node 18 or newer: \`make setup\` installs it" >&2
    exit 1
fi
if ! cmp -s tests/players/package-lock.json tests/players/node_modules/.installed.json; then
    echo "test-players: there is Chromium, but not the players that tests/players pins: \`make setup\` installs them" >&2
    exit 1
fi
REELMILL_PROGRAM=$program REELMILL_CHROMIUM=$browser exec node --test-reporter=spec tests/players/suite.mjs
