"""The source: the file that was named, or one made of real media from the corpus, or generated where that is absent.

What is made is kept in the build directory under a name that follows from the command, so a change makes it anew.
"""

import hashlib
import json
import subprocess
from dataclasses import dataclass
from fractions import Fraction

from commands import FFMPEG
from settings import SECONDS_MIN, SECONDS_QUICK, WORK, Refusal, Source

FRAME_RATE = 25
FRAMES = 32 * FRAME_RATE
# High quality, so that what the encoders see is the pictures and not an earlier encoder.
ENCODER = ("-c:v", "libx264", "-preset", "medium", "-crf", "15", "-profile:v", "high", "-g", "125")
SOUND = ("-c:a", "aac", "-b:a", "192k", "-ac", "2", "-ar", "48000")


@dataclass(frozen=True)
class Clip:
    """The first frames of a file, shown at 25 a second whatever their own rate, so that none is doubled."""

    file: str
    what: str
    frames: int
    first: str = ""


# No clip is enlarged. Those with 60 frames a second give every other one.
CLIPS = (
    Clip("encore_1080p25_422_10bit.mp4", "a camera panning over a landscape", 250),
    Clip("p1204_4k60_vp9.mkv", "Big Buck Bunny, scaled down from 4K", 250, "fps=30,"),
    Clip("twitch_1080p30_bad.ts", "a live stream's moving titles", 250),
    Clip("bbb_1080p60_2s.mp4", "Big Buck Bunny", 50, "fps=30,"),
)
MADE_OF_CLIPS = "real clips (" + "; ".join(f"{clip.frames} frames of {clip.what}" for clip in CLIPS) + ")"
MADE_OF_NOTHING = "generated pictures (a fractal, then a test card under a game of life, with noise)"


def find_or_make(settings):
    """The source, at least half a minute long; its first seconds for a quick run."""
    if settings.source:
        path, what = settings.source, f"`{settings.source.name}`"
    elif all((settings.corpus / clip.file).exists() for clip in CLIPS):
        path, what = _made(_from_clips(settings.corpus)), MADE_OF_CLIPS
    else:
        print(f"bench: no corpus in {settings.corpus} (set REELMILL_CORPUS), so pictures are generated", flush=True)
        path, what = _made(_from_nothing()), MADE_OF_NOTHING
    source = describe(path, what)
    if source.seconds < SECONDS_MIN:
        raise Refusal(f"bench: {path} lasts {source.seconds:.1f} s; {SECONDS_MIN} s or more are needed")
    if settings.quick:
        cut = (*FFMPEG, "-i", path, "-t", SECONDS_QUICK, "-map", "0:v:0", "-map", "0:a:0", "-c", "copy")
        source = describe(_made(cut), f"the first {SECONDS_QUICK} s of {what}")
    return source


def describe(path, what):
    """What ffprobe says, if it is a source that the ladder fits."""
    wanted = "format=duration,bit_rate:stream=codec_type,codec_name,width,height,avg_frame_rate,nb_read_packets"
    command = ["ffprobe", "-v", "error", "-count_packets", "-show_entries", wanted, "-of", "json", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Refusal(f"bench: {path} cannot be read: {done.stderr.strip()}")
    facts = json.loads(done.stdout)
    streams = {stream["codec_type"]: stream for stream in reversed(facts["streams"])}
    video = streams.get("video", {})
    if (video.get("width"), video.get("height")) != (1920, 1080) or "audio" not in streams:
        raise Refusal(f"bench: {path} must have pictures of 1920x1080 and sound")
    frame_rate, frames = Fraction(video["avg_frame_rate"]), int(video["nb_read_packets"])
    seconds = float(frames / frame_rate)
    return Source(path, what, video["codec_name"], frame_rate, frames, seconds, int(facts["format"]["bit_rate"]))


def _from_clips(corpus):
    inputs = [part for clip in CLIPS for part in ("-i", corpus / clip.file)]
    chains = [
        f"[{i}:v:0]{clip.first}trim=end_frame={clip.frames},scale=1920:1080:flags=lanczos:out_range=tv,"
        f"format=yuv420p,setsar=1,settb=1/{FRAME_RATE},setpts=N,fps={FRAME_RATE}[c{i}]"
        for i, clip in enumerate(CLIPS)
    ]
    joined = "".join(f"[c{i}]" for i in range(len(CLIPS))) + f"concat=n={len(CLIPS)}[v]"
    sound = ("-stream_loop", "-1", "-i", corpus / CLIPS[0].file)
    graph = ";".join([*chains, joined])
    return [*FFMPEG, *inputs, *sound, "-filter_complex", graph, "-map", "[v]", "-map", f"{len(CLIPS)}:a:0", *_made_as()]


def _from_nothing():
    graph = (
        "mandelbrot=size=1920x1080:rate=25:end_scale=0.002:end_pts=400,format=yuv420p,trim=end_frame=400[c0];"
        "testsrc2=size=1920x1080:rate=25,format=yuv420p[card];"
        "life=size=480x270:rate=25:mold=10:ratio=0.2:seed=7:life_color=#C83232:mold_color=#281450,"
        "scale=1280:720:flags=neighbor,format=yuv420p[life];"
        "[card][life]overlay=x='(W-w)/2+200*sin(t)':y='(H-h)/2+100*cos(t/2)',noise=alls=6:allf=t:all_seed=7,"
        "trim=end_frame=400[c1];[c0][c1]concat=n=2[v]"
    )
    sound = "sine=frequency=220:beep_factor=4:sample_rate=48000,aformat=channel_layouts=stereo"
    return [*FFMPEG, "-filter_complex", graph, "-f", "lavfi", "-i", sound, "-map", "[v]", "-map", "0:a:0", *_made_as()]


def _made_as():
    tags = ("-color_primaries", "bt709", "-color_trc", "bt709", "-colorspace", "bt709", "-color_range", "tv")
    length = ("-r", FRAME_RATE, "-frames:v", FRAMES, "-t", FRAMES // FRAME_RATE)
    return (*ENCODER, *tags, *SOUND, *length, "-movflags", "+faststart")


def _made(command):
    command = [str(part) for part in command]
    path = WORK / f"source-{hashlib.sha256(' '.join(command).encode()).hexdigest()[:10]}.mp4"
    if not path.exists():
        print(f"bench: making {path.name}, once", flush=True)
        part = path.with_suffix(".part.mp4")
        part.unlink(missing_ok=True)
        if subprocess.run([*command, str(part)], stdin=subprocess.DEVNULL, check=False).returncode != 0:
            raise Refusal("bench: the source could not be made; what FFmpeg said is above")
        part.rename(path)
    return path
