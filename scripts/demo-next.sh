#!/usr/bin/env bash
# Says where the output of the demo is and how to play it: scripts/demo-next.sh REELMILL OUTDIR
set -euo pipefail
reelmill=$1
out=$2

echo
echo "Made $out/:"
for file in reelmill.json cmaf/master.m3u8 cmaf/manifest.mpd ts/master.m3u8; do
    if [ -f "$out/$file" ]; then
        echo "  $out/$file"
    fi
done
echo "Play it in a browser:   $reelmill play $out"
echo "or in mpv or VLC:       mpv $out/cmaf/master.m3u8"
