"""What came out: speed without equal quality is nothing. Frames, rates, likeness to the source, and x264's own account
of its settings, of each rung of both sides."""

import re
import subprocess
from dataclasses import dataclass, field

from commands import FFMPEG, passed_on
from settings import LADDER, WORK, Refusal

# How many threads there are is the planner's to choose, and `stitchable` costs nothing: it keeps headers the same.
MAY_DIFFER = {"threads", "lookahead_threads", "stitchable"}
LIKENESS_OF = ("1080p", "360p")


@dataclass
class Made:
    """One rung of one side."""

    size: str
    frames: int
    bit_rate: float
    ssim: float | None = None
    x264: str = ""
    settings: dict = field(default_factory=dict)


def ours(source, out):
    return {rung.name: _look(source, rung, out / "cmaf" / rung.name / "media.m3u8") for rung in LADDER}


def theirs(source, out):
    return {rung.name: _look(source, rung, out / f"media_{i}.m3u8") for i, rung in enumerate(LADDER)}


def differences(mine, other):
    """x264's settings that are not the same on both sides, though they should be."""
    if not mine.settings or not other.settings:
        return ["its settings are not in the stream, so they could not be compared"]
    names = (set(mine.settings) | set(other.settings)) - MAY_DIFFER
    pairs = ((name, mine.settings.get(name), other.settings.get(name)) for name in sorted(names))
    return [f"{name} {a} against {b}" for name, a, b in pairs if a != b]


def _look(source, rung, playlist):
    files = _files(playlist)
    whole = WORK / "rung.mp4"
    whole.write_bytes(b"".join(file.read_bytes() for file in files))
    try:
        size, frames = _probe(whole)
        media = sum(file.stat().st_size for file in files[1:])
        made = Made(size, frames, media * 8 / source.seconds)
        made.x264, made.settings = _settings(files[0].read_bytes() + files[1].read_bytes())
        if rung.name in LIKENESS_OF:
            made.ssim = _ssim(source, rung, whole)
    finally:
        whole.unlink()
    return made


def _files(playlist):
    """The init segment and all media segments, in order."""
    text = playlist.read_text(encoding="utf-8")
    init = re.search(r'#EXT-X-MAP:.*?URI="([^"]+)"', text)
    names = [line for line in text.splitlines() if line and not line.startswith("#")]
    if not init or not names or "#EXT-X-ENDLIST" not in text:
        raise Refusal(f"bench: {playlist} is not a finished playlist of fragmented MP4")
    return [playlist.parent / name for name in (init[1], *names)]


def _probe(path):
    wanted = ("-count_frames", "-show_entries", "stream=width,height,nb_read_frames")
    command = ("ffprobe", "-v", "error", "-select_streams", "v:0", *wanted, "-of", "csv=p=0", path)
    width, height, frames = _output(command).strip().rstrip(",").split(",")[:3]
    return f"{width}x{height}", int(frames)


def _settings(data):
    """From the SEI message that x264 puts into its first access unit or its headers."""
    found = re.search(rb"x264 - core ([ -~]*?) - H\.264.*? - options: ([ -~]+)", data)
    if not found:
        return "", {}
    pairs = (option.partition("=") for option in found[2].decode("ascii").split())
    return found[1].decode("ascii"), {name: value for name, _, value in pairs}


def _ssim(source, rung, path):
    """Against the source at its own size, as a viewer with a full screen sees it: so neither way of scaling down, each
    from the source or each from the next larger, is taken for the right one. Pictures are paired by their order."""
    one = "settb=1/25,setpts=N"
    graph = f"[0:v]scale=1920:1080:flags=bicubic,{one}[made];[1:v]format=yuv420p,{one}[source];[made][source]ssim"
    options = (*passed_on(), "-f", "null", "-")
    command = [*FFMPEG, "-loglevel", "info", "-nostats", "-i", path, "-i", source.path, "-lavfi", graph, *options]
    found = re.search(r"SSIM .*All:([0-9.]+)", _output(command))
    if not found:
        raise Refusal(f"bench: FFmpeg gave no SSIM for {rung.name}")
    return float(found[1])


def _output(command):
    command = [str(part) for part in command]
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    done = subprocess.run(command, **streams, text=True, errors="replace", check=False)
    text = done.stdout
    if done.returncode != 0:
        raise Refusal(f"bench: {command[0]} failed: {text[-1000:]}")
    return text
