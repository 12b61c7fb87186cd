#!/bin/sh
# The image's entry point: says what the devices here can do, then becomes the daemon, which so is what gets the signals.
# Any other command of reelmill may be given instead: `docker run IMAGE doctor`.
set -eu
case ${1:-} in
'' | -*) ;;
serve) shift ;;
*) exec reelmill "$@" ;;
esac
# Without a device that works the daemon still encodes on the CPU, so it starts all the same.
reelmill doctor --brief || echo "entrypoint: a device does not work as it should (see above); the daemon starts all the same" >&2
exec reelmill serve "$@"
