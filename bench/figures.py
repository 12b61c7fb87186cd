"""From costs to figures: medians, ratios pair by pair, and whether a target is met."""

from dataclasses import dataclass
from statistics import median

import settings
from settings import LADDER, Target

BYTES_A_MB = 1_000_000
ENCODES = tuple(f"encode {rung.name}" for rung in LADDER)


@dataclass(frozen=True)
class Figure:
    """One line of the table. Ratios are taken within a round, and the median of them counts."""

    what: str
    unit: str
    ours: list
    theirs: list
    target: Target

    @property
    def ratios(self):
        return [mine / other for mine, other in zip(self.ours, self.theirs, strict=True)]

    @property
    def verdict(self):
        return verdict(median(self.ratios), self.target)


def verdict(value, target):
    """`yes`, or by how much it is missed: of a figure as it is printed, so that the table agrees with itself."""
    over = round(round(value, 3) - target.most, 3)
    return f"short by {over:.3f}" if over > 0 else "yes"


def against_theirs(pairs):
    """What one speed class costs against the one FFmpeg command."""
    return [
        _figure("CPU time", "s", pairs, lambda cost: cost.cpu_s, settings.CPU),
        _figure("wall time", "s", pairs, lambda cost: cost.wall_s, settings.WALL),
        _figure("peak memory", "MB", pairs, lambda cost: cost.peak_bytes / BYTES_A_MB, settings.MEMORY),
    ]


def against_parts(pairs):
    """CPU seconds against the sum of the parts, each run alone."""
    sums = [sum_of_parts(pair) for pair in pairs]
    mine = [pair.ours.cpu_s for pair in pairs]
    return Figure("CPU time against the sum of the parts", "s", mine, sums, settings.PARTS)


def against_parts_unread(pairs):
    """The same without what it costs to read the raw pictures, which a transcoder has in memory: for the reader, no
    target."""
    return median(pair.ours.cpu_s / (sum_of_parts(pair) - reading(pair)) for pair in pairs)


def theirs_against_parts(pairs):
    """Where the one FFmpeg command stands."""
    return median(pair.theirs.cpu_s / sum_of_parts(pair) for pair in pairs)


def packagings(results):
    """CPU seconds of all packagings together against CMAF alone."""
    alone = [cost.cpu_s for cost, _ in results.packagings]
    together = [cost.cpu_s for _, cost in results.packagings]
    return Figure("CPU time, all packagings against CMAF alone", "s", together, alone, settings.PACKAGINGS)


def part_rows(pairs):
    """Part to the median of its CPU seconds, in the order of the work. What follows the sum is in it."""

    def middle(seconds):
        return median(seconds(pair) for pair in pairs)

    return [
        ("decode and scale as a tree", middle(lambda pair: _cpu(pair, "decode and scale"))),
        *((name, middle(lambda pair, name=name: _cpu(pair, name))) for name in ENCODES),
        ("audio", middle(lambda pair: _cpu(pair, "audio"))),
        ("**sum**", middle(sum_of_parts)),
        ("of the sum: decode alone", middle(lambda pair: _cpu(pair, "decode"))),
        ("of the sum: read raw pictures", middle(reading)),
    ]


def sum_of_parts(pair):
    return sum(_cpu(pair, name) for name in ("decode and scale", "audio", *ENCODES))


def reading(pair):
    return sum(_cpu(pair, f"read {rung.name}") for rung in LADDER)


def _cpu(pair, name):
    return pair.parts[name].cpu_s


def _figure(what, unit, pairs, of, target):
    return Figure(what, unit, [of(pair.ours) for pair in pairs], [of(pair.theirs) for pair in pairs], target)
