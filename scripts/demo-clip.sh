#!/usr/bin/env bash
# Makes a clip with picture and sound of its own: scripts/demo-clip.sh FILE [SECONDS]
# A test card with a running clock, a fractal that moves over it, a tone with a beep a second on the left and another on
# the right: enough to see whether pictures move, sound is there, and the two run together.
set -euo pipefail
file=$1
seconds=${2:-20}

mkdir -p "$(dirname "$file")"
ffmpeg -hide_banner -loglevel error -y \
    -f lavfi -i "testsrc2=size=1920x1080:rate=25" \
    -f lavfi -i "mandelbrot=size=640x360:rate=25:end_scale=0.02:end_pts=500" \
    -f lavfi -i "sine=frequency=220:beep_factor=4:sample_rate=48000" \
    -f lavfi -i "sine=frequency=330:sample_rate=48000" \
    -filter_complex "
        [0:v][1:v] overlay=x='(W-w)/2+(W-w)/3*sin(t/2)':y='(H-h)/2+(H-h)/3*cos(t/3)',format=yuv420p [picture];
        [2:a][3:a] join=inputs=2:channel_layout=stereo,volume=0.5 [sound]" \
    -map "[picture]" -map "[sound]" -t "$seconds" \
    -c:v libx264 -preset veryfast -crf 18 -c:a aac -b:a 160k -movflags +faststart \
    "$file.part.mp4"
mv "$file.part.mp4" "$file"
