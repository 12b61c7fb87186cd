#!/usr/bin/env bash
# Builds everything on Debian 13 (FFmpeg 7.1) and runs the tests of the FFmpeg wrappers and of whole spans there:
#     scripts/check-trixie.sh [TEST_FILTER]        (`av::` by default)
# A chroot made by debootstrap from the mirror that this machine's apt uses; about 2 GB, kept for the next time.
# Needs root. All mounts live in a mount namespace of this process: they are gone when it is, however it ends.
set -euo pipefail
cd "$(dirname "$0")/.."
filter=${1:-av::}
repository=$PWD
chroot=${CARGO_TARGET_DIR:-$repository/target}/trixie

if [ "$(id -u)" -ne 0 ]; then
    echo "check-trixie: a chroot needs root; run it as root" >&2
    exit 1
fi
if [ -z "${REELMILL_IN_NAMESPACE:-}" ]; then
    exec env REELMILL_IN_NAMESPACE=1 unshare --mount --propagation private "$0" "$@"
fi

make_chroot() {
    if [ -e "$chroot/.complete" ]; then
        return
    fi
    command -v debootstrap >/dev/null || apt-get install -y -q --no-install-recommends debootstrap
    local mirror
    mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | grep -v security | head -n 1)
    rm -rf "$chroot"
    mkdir -p "$chroot"
    echo "check-trixie: debootstrap from $mirror"
    debootstrap --variant=minbase trixie "$chroot" "$mirror"
    mapfile -t packages <scripts/debian-packages.txt
    cp /etc/resolv.conf "$chroot/etc/resolv.conf"
    chroot "$chroot" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${packages[@]}"
    touch "$chroot/.complete"
}

# Shows a directory of this machine inside the chroot, at the same path unless another is given.
show() {
    local from=$1 to=$chroot${2:-$1}
    mkdir -p "$to"
    mount --rbind "$from" "$to"
}

make_chroot
cargo fetch --locked
cargo_home=${CARGO_HOME:-$HOME/.cargo}
rustup_home=${RUSTUP_HOME:-$HOME/.rustup}
show /proc
show /dev
show "$cargo_home"
show "$rustup_home"
show "$repository" /repository
mount -o remount,bind,ro "$chroot/repository"

chroot "$chroot" env -i HOME=/root PATH="$cargo_home/bin:/usr/sbin:/usr/bin:/sbin:/bin" \
    CARGO_HOME="$cargo_home" RUSTUP_HOME="$rustup_home" CARGO_TARGET_DIR=/target CARGO_INCREMENTAL=0 \
    bash -euo pipefail -c "
        cd /repository
        echo \"check-trixie: FFmpeg \$(pkg-config --modversion libavcodec), Debian \$(cat /etc/debian_version)\"
        cargo build --offline --locked --bins
        count=\$(cargo test --offline --locked --lib -- --list '$filter' | grep -c ': test\$' || true)
        if [ \"\$count\" -eq 0 ]; then
            echo 'check-trixie: no test matches $filter' >&2
            exit 1
        fi
        cargo test --offline --locked --lib -- '$filter'
        cargo test --offline --locked --test stages
    "
echo "check-trixie: passed on $(date -u +%F)"
