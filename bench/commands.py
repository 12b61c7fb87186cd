"""The commands that are compared. Theirs is what somebody who knows FFmpeg well would write by hand."""

from settings import AUDIO_BIT_RATE, AUDIO_RATE_HZ, LADDER, PRESETS, SEGMENT_S

FFMPEG = ("ffmpeg", "-nostdin", "-hide_banner", "-loglevel", "error", "-y")


def ours(reelmill, source, out, speed, packaging="cmaf"):
    """The product's own command. `--json` tells how far it is; nothing else differs from what a user would type."""
    rungs = ",".join(f"{rung.name}@{rung.bit_rate // 1000}k" for rung in LADDER)
    return [
        *(reelmill, "transcode", source.path, out, "--renditions", rungs, "--packaging", packaging),
        *("--codec", "h264", "--speed", speed, "--segment", f"{SEGMENT_S}s", "--json"),
    ]


def theirs(source, out, speed):
    """One decode, one split, each rung scaled from the source, four encoders, DASH and HLS over the same segments."""
    rungs = enumerate(LADDER)
    encoders = [option for i, rung in rungs for option in rate_options(rung, f":{i}")]
    return [
        *(*FFMPEG, "-i", source.path, "-filter_complex", star()),
        *(part for i in range(len(LADDER)) for part in ("-map", f"[v{i}]")),
        *("-map", "0:a:0", *x264_options(source, speed), *encoders, *audio_options()),
        *("-f", "dash", "-hls_playlist", "1", "-seg_duration", SEGMENT_S, "-use_template", "1", "-use_timeline", "1"),
        *("-adaptation_sets", "id=0,streams=v id=1,streams=a", out / "manifest.mpd"),
    ]


def decode(source):
    """Pictures to nowhere."""
    return [*FFMPEG, "-i", source.path, "-map", "0:v:0", *passed_on(), "-f", "null", "-"]


def decode_and_scale(source):
    """All four sizes, each from the next larger one, to nowhere."""
    return _tree_to(source, lambda rung: ("-f", "null", "-"))


def raw_pictures(source, path):
    """The same to files, one a rung, as `path(rung)` names them."""
    return _tree_to(source, lambda rung: ("-pix_fmt", "yuv420p", "-f", "rawvideo", path(rung)))


def read_raw(source, rung, path):
    """What it costs to read raw pictures and do nothing with them."""
    return [*FFMPEG, *raw_input(source, rung, path), *passed_on(), "-f", "null", "-"]


def encode(source, rung, path, speed):
    """One rung from raw pictures, to nowhere."""
    options = [*x264_options(source, speed), *rate_options(rung, "")]
    return [*FFMPEG, *raw_input(source, rung, path), *options, "-f", "null", "-"]


def audio(source):
    """The sound, to nowhere."""
    return [*FFMPEG, "-i", source.path, "-map", "0:a:0", *audio_options(), "-f", "null", "-"]


def raw_input(source, rung, path):
    return ("-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", rung.size, "-r", source.frame_rate, "-i", path)


def passed_on():
    """Every decoded picture once, whatever its time."""
    return ("-fps_mode", "passthrough")


def x264_options(source, speed):
    """What all rungs share: closed GOPs, an IDR on every boundary of the grid, scene cuts as x264 sees them."""
    return (
        *("-c:v", "libx264", "-preset", PRESETS[speed], "-profile:v", "high", "-flags", "+cgop", "-g", source.gop),
        *("-forced-idr", "1", "-force_key_frames", f"expr:gte(t,n_forced*{SEGMENT_S})"),
    )


def rate_options(rung, stream):
    pairs = (("b:v", rung.bit_rate), ("maxrate:v", rung.max_rate), ("bufsize:v", rung.buffer))
    return [part for name, value in pairs for part in (f"-{name}{stream}", value)]


def audio_options():
    return ("-c:a", "aac", "-b:a", AUDIO_BIT_RATE, "-ac", "2", "-ar", AUDIO_RATE_HZ)


def star():
    """Each rung scaled from the source, except the one that has its size."""
    names = "".join(f"[s{i}]" for i in range(1, len(LADDER)))
    scaled = ";".join(f"[s{i}]{scale(rung)}[v{i}]" for i, rung in enumerate(LADDER) if i > 0)
    return f"[0:v:0]format=yuv420p,split={len(LADDER)}[v0]{names};{scaled}"


def tree():
    """Each rung scaled from the next larger one."""
    parts, last = [], len(LADDER) - 1
    for i, rung in enumerate(LADDER):
        first = "[0:v:0]format=yuv420p" if i == 0 else f"[n{i}]{scale(rung)}"
        parts.append(f"{first}[v{i}]" if i == last else f"{first},split=2[v{i}][n{i + 1}]")
    return ";".join(parts)


def scale(rung):
    return f"scale=w={rung.width}:h={rung.height}:flags=bicubic"


def _tree_to(source, output):
    outputs = [
        part for i, rung in enumerate(LADDER) for part in ("-map", f"[v{i}]", *passed_on(), *output(rung))
    ]
    return [*FFMPEG, "-i", source.path, "-filter_complex", tree(), *outputs]
