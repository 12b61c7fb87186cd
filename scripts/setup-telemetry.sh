#!/usr/bin/env bash
# Gets Prometheus and promtool for the tests, from Debian, into DIRECTORY (argument 1), below which they are in usr/bin,
# unless they are in PATH. The package is unpacked, not installed: installing it would start a service. Can be run again
# at will.
set -euo pipefail

into=$1
if command -v prometheus >/dev/null && command -v promtool >/dev/null; then
    exit 0
fi
if [ ! -x "$into/usr/bin/promtool" ]; then
    if ! command -v dpkg-deb >/dev/null; then
        echo "setup-telemetry: not a Debian system; put prometheus and promtool into PATH yourself" >&2
        exit 1
    fi
    echo "setup: getting Prometheus"
    mkdir -p "$into"
    if [ -z "$(apt-cache policy prometheus 2>/dev/null)" ] && [ "$(id -u)" -eq 0 ]; then
        apt-get update -q >&2
    fi
    (cd "$into" && rm -f ./*.deb && apt-get download -q prometheus >&2 && dpkg-deb -x ./*.deb . && rm -f ./*.deb)
fi
