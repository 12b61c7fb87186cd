#!/usr/bin/env bash
# Installs what building and testing need on Debian 12 or 13, and nothing that is there already. Can be run again at will.
set -euo pipefail
cd "$(dirname "$0")/.."

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        echo "setup: this needs root, and sudo is not here: run as root: $*" >&2
        exit 1
    fi
}

debian_packages() {
    if ! command -v dpkg-query >/dev/null; then
        echo "setup: not a Debian system; install the like of these yourself: $(tr '\n' ' ' <scripts/debian-packages.txt)" >&2
        return
    fi
    local missing=() package
    while read -r package; do
        dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
    done <scripts/debian-packages.txt
    if [ "${#missing[@]}" -eq 0 ]; then
        return
    fi
    echo "setup: installing ${missing[*]}"
    as_root apt-get update -q
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
}

rust() {
    local wanted found
    wanted=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
    if ! command -v cargo >/dev/null || ! command -v rustc >/dev/null; then
        echo "setup: Rust is missing. Install $wanted or newer with rustup (https://rustup.rs) and run this again." >&2
        exit 1
    fi
    found=$(rustc --version | awk '{ print $2 }')
    if [ "$(printf '%s\n' "$wanted" "$found" | sort -V | head -n 1)" != "$wanted" ]; then
        echo "setup: Rust $found is too old, $wanted or newer is needed: rustup update" >&2
        exit 1
    fi
    if ! cargo fmt --version >/dev/null 2>&1 || ! cargo clippy --version >/dev/null 2>&1; then
        if ! command -v rustup >/dev/null; then
            echo "setup: rustfmt and clippy are missing; install them beside your Rust" >&2
            exit 1
        fi
        rustup component add rustfmt clippy
    fi
}

nextest() {
    if ! cargo nextest --version >/dev/null 2>&1; then
        echo "setup: installing cargo-nextest, which takes some minutes, once"
        cargo install --locked cargo-nextest
    fi
}

deny() {
    if ! cargo deny --version >/dev/null 2>&1; then
        echo "setup: installing cargo-deny, which takes some minutes, once"
        cargo install --locked cargo-deny
    fi
}

# `cargo deny` looks at the crates of all targets, without the network; a build gets those of this one alone.
crates() {
    cargo fetch --quiet --locked
}

debian_packages
rust
# `make demo` runs no tests and so need not wait for what only they use.
if [ "${1:-}" != --no-tests ]; then
    nextest
    deny
    crates
    scripts/python-client.sh
    # Without it the tests that need a Prometheus say that they are skipped.
    scripts/setup-telemetry.sh "$(realpath -m "${CARGO_TARGET_DIR:-target}")/prometheus" ||
        echo "setup: no Prometheus: the tests that need one are skipped" >&2
fi
