"""What the figures were taken on and with."""

import datetime
import os
import platform
import re
import subprocess

from settings import DOCUMENT, ROOT


def about(results, source):
    """Pairs of what and which, for the head of the report."""
    made = [rung for ours, theirs in results.quality.values() for rung in (*ours.values(), *theirs.values())]
    x264 = sorted({rung.x264 for rung in made if rung.x264})
    return [
        ("date", datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")),
        ("machine", f"{_cpu()}, {len(os.sched_getaffinity(0))} cores, {_memory_gib():.1f} GiB"),
        ("system", f"{platform.freedesktop_os_release().get('PRETTY_NAME', 'Linux')}, kernel {platform.release()}"),
        ("reelmill", _commit()),
        ("FFmpeg", _first_line(["ffmpeg", "-version"]).removeprefix("ffmpeg version ").partition(" Copyright")[0]),
        ("x264", f"core {', '.join(x264)}" if x264 else "unknown"),
        ("source", _source(source)),
        ("taken by others", _others(results)),
    ]


def _source(source):
    rate = f"{float(source.frame_rate):g} a second"
    return f"{source.what}: 1920x1080, {source.frames} frames, {rate}, {source.codec}, {source.bit_rate / 1e6:.1f} Mb/s"


def _others(results):
    """How quiet the machine was: CPU time that went to anything else during a run."""
    shares = [cost.others for pairs in results.pairs.values() for pair in pairs for cost in (pair.ours, pair.theirs)]
    noisy = "; **the machine was not quiet**" if max(shares) > 0.1 else ""
    return f"at most {max(shares):.0%} of the machine during any run of ours or theirs{noisy}"


def _cpu():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        found = re.search(r"^model name\s*: (.*)$", file.read(), re.MULTILINE)
    return found[1] if found else platform.machine()


def _memory_gib():
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)


def _commit():
    """The commit, and whether the tree differs from it in anything but the report itself."""
    head = _first_line(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"])
    document = f":!{DOCUMENT.relative_to(ROOT)}"
    changed = _first_line(["git", "-C", str(ROOT), "status", "--porcelain", "--", ".", document])
    other = " (another build: `BENCH_REELMILL` was set)" if os.environ.get("BENCH_REELMILL") else ""
    return head + (" with changes" if changed else "") + other


def _first_line(command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout.splitlines() or ["unknown" if done.returncode else ""])[0]
