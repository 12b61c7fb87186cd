"""What is compared and what is wanted of it: the ladder, the speeds, the targets, and what the environment says."""

import os
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / os.environ.get("CARGO_TARGET_DIR", "target")
WORK = TARGET / "bench"
DOCUMENT = ROOT / "docs" / "BENCHMARKS.md"

SEGMENT_S = 4
AUDIO_BIT_RATE = 128_000
AUDIO_RATE_HZ = 48_000
# The bucket of every rung, in percent of its average rate: how fast it fills, and what it holds of one second.
MAX_RATE_PERCENT = 107
BUFFER_PERCENT = 150
# Speed class of ours, and the preset of x264 that it stands for.
PRESETS = {"fast": "veryfast", "balanced": "medium"}
SECONDS_MIN = 30
SECONDS_QUICK = 8


@dataclass(frozen=True)
class Rung:
    """One rung of the ladder: name, size in pixels, average rate in bits a second."""

    name: str
    width: int
    height: int
    bit_rate: int

    @property
    def size(self):
        return f"{self.width}x{self.height}"

    @property
    def max_rate(self):
        return self.bit_rate * MAX_RATE_PERCENT // 100

    @property
    def buffer(self):
        return self.bit_rate * BUFFER_PERCENT // 100


LADDER = (
    Rung("1080p", 1920, 1080, 5_000_000),
    Rung("720p", 1280, 720, 2_800_000),
    Rung("480p", 854, 480, 1_400_000),
    Rung("360p", 640, 360, 800_000),
)


@dataclass(frozen=True)
class Target:
    """The most that a figure may be."""

    most: float
    aim: float | None = None

    def __str__(self):
        return f"at most {self.most:.2f}" + (f", aim {self.aim:.2f}" if self.aim else "")


CPU = Target(1.00, aim=0.96)
WALL = Target(1.00)
MEMORY = Target(0.90)
PARTS = Target(1.02)
PACKAGINGS = Target(1.03)
PLAYABLE_MEDIA_S = Target(10.0)
# Speed without equal quality is nothing: how far below theirs our SSIM may be, and how far apart the rates.
SSIM_BELOW_MAX = 0.002
BIT_RATE_APART_MAX = 0.03


@dataclass(frozen=True)
class Settings:
    """What the environment says."""

    quick: bool
    rounds: int
    reelmill: Path
    source: Path | None
    corpus: Path

    @classmethod
    def from_environment(cls):
        """`BENCH_QUICK=1`, `BENCH_ROUNDS`, `BENCH_REELMILL`, `BENCH_INPUT`, `REELMILL_CORPUS`."""
        quick = os.environ.get("BENCH_QUICK") == "1"
        source = os.environ.get("BENCH_INPUT")
        return cls(
            quick=quick,
            rounds=max(1, int(os.environ.get("BENCH_ROUNDS") or (1 if quick else 3))),
            reelmill=Path(os.environ.get("BENCH_REELMILL") or TARGET / "release" / "reelmill").resolve(),
            source=Path(source).resolve() if source else None,
            corpus=Path(os.environ.get("REELMILL_CORPUS") or ROOT / "../shared/corpus").resolve(),
        )


@dataclass(frozen=True)
class Source:
    """The file that both sides get."""

    path: Path
    what: str
    codec: str
    frame_rate: Fraction
    frames: int
    seconds: float
    bit_rate: int

    @property
    def gop(self):
        """Longest distance of key frames: the planner's rule, twice a segment and a little more, so that it is only
        the forced ones and scene cuts that make GOPs."""
        return 2 * (SEGMENT_S * self.frame_rate.numerator // self.frame_rate.denominator + 1)


class Refusal(Exception):
    """Something that whoever runs the benchmark must put right; the text says what."""
