"""The runs, in turn: ours, theirs, ours with all packagings, and the parts, round by round. Only what ran within one
round is compared with one another: a machine's CPU seconds swing with what its neighbours do."""

import os
import shutil
from dataclasses import dataclass, field

import commands
import measure
import quality
from playable import playable
from settings import LADDER, PRESETS, WORK, Refusal

ALL_PACKAGINGS = "cmaf,ts"
# All packagings together are compared in this speed class alone: the cheaper the encode, the more packaging weighs.
PACKAGED_IN = "fast"
SPARE_BYTES = 2 << 30


@dataclass
class Pair:
    """One round of one speed class."""

    ours: measure.Cost
    theirs: measure.Cost
    playable: object
    # Part to cost; those that both speed classes share are in both.
    parts: dict


@dataclass
class Results:
    """All that was measured."""

    pairs: dict = field(default_factory=lambda: {speed: [] for speed in PRESETS})
    # CMAF alone, and with TS, in the same round.
    packagings: list = field(default_factory=list)
    # Speed class to what ours and theirs look like.
    quality: dict = field(default_factory=dict)


class Campaign:
    """Everything that is run for one report."""

    def __init__(self, settings, source):
        self.settings, self.source = settings, source
        self.raw = WORK / "raw"
        self.out = WORK / "out"
        self.results = Results()

    def run(self):
        measure.adopt_orphans()
        try:
            self._make_raw_pictures()
            for number in range(1, self.settings.rounds + 1):
                self._round(number)
        finally:
            shutil.rmtree(self.raw, ignore_errors=True)
            shutil.rmtree(self.out, ignore_errors=True)
        return self.results

    def _make_raw_pictures(self):
        need = sum(rung.width * rung.height * 3 // 2 for rung in LADDER) * self.source.frames
        if shutil.disk_usage(WORK).free < need + SPARE_BYTES:
            raise Refusal(f"bench: raw pictures need {need >> 20} MiB and some room in {WORK}")
        shutil.rmtree(self.raw, ignore_errors=True)
        self.raw.mkdir(parents=True)
        self._measure("raw pictures (not counted)", commands.raw_pictures(self.source, self._raw_path))
        os.sync()

    def _raw_path(self, rung):
        return self.raw / f"{rung.name}.yuv"

    def _round(self, number):
        print(f"bench: round {number} of {self.settings.rounds}", flush=True)
        shared = self._shared_parts()
        for speed in PRESETS:
            mine = self._ours(speed, "cmaf", "ours")
            other = self._theirs(speed)
            if speed == PACKAGED_IN:
                self.results.packagings.append((mine, self._ours(speed, ALL_PACKAGINGS, "both")))
            parts = shared | self._encodes(speed)
            self.results.pairs[speed].append(Pair(mine, other, playable(mine, self.source), parts))
            if number == 1:
                looked = quality.ours(self.source, self.out / "ours"), quality.theirs(self.source, self.out / "theirs")
                self.results.quality[speed] = looked

    def _ours(self, speed, packaging, name):
        out = self._fresh(name)
        command = commands.ours(self.settings.reelmill, self.source, out, speed, packaging)
        return self._measure(f"ours, {speed}, {packaging}", command, out / "cmaf" / "master.m3u8")

    def _theirs(self, speed):
        out = self._fresh("theirs")
        out.mkdir(parents=True)
        return self._measure(f"theirs, {speed}", commands.theirs(self.source, out, speed), out / "master.m3u8")

    def _fresh(self, name):
        self.out.mkdir(exist_ok=True)
        shutil.rmtree(self.out / name, ignore_errors=True)
        return self.out / name

    def _shared_parts(self):
        parts = {
            "decode": self._measure("decode", commands.decode(self.source)),
            "decode and scale": self._measure("decode and scale", commands.decode_and_scale(self.source)),
            "audio": self._measure("audio", commands.audio(self.source)),
        }
        for rung in LADDER:
            command = commands.read_raw(self.source, rung, self._raw_path(rung))
            parts[f"read {rung.name}"] = self._measure(f"read {rung.name}", command)
        return parts

    def _encodes(self, speed):
        parts = {}
        for rung in LADDER:
            command = commands.encode(self.source, rung, self._raw_path(rung), speed)
            parts[f"encode {rung.name}"] = self._measure(f"encode {rung.name}, {speed}", command)
        return parts

    def _measure(self, what, command, appears=None):
        log = WORK / "logs" / (what.replace(",", "").replace(" ", "-") + ".log")
        log.parent.mkdir(parents=True, exist_ok=True)
        cost = measure.run(command, log, appears)
        print(
            f"  {what:28} {cost.wall_s:7.2f} s wall {cost.cpu_s:8.2f} s CPU {cost.peak_bytes / 1e6:8.0f} MB"
            f"   others {cost.others:4.0%}",
            flush=True,
        )
        return cost
