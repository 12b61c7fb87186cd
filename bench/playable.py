"""How much media had been encoded when the first manifest could be played, from the events of `--json`."""

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Playable:
    """After how long, and how much of the slowest and the fastest rung had been encoded by then, seconds."""

    after_s: float
    slowest_s: float
    fastest_s: float


def playable(cost, source):
    """Rounded against us: the first report of progress after the manifest was seen counts, or the whole length where
    none came any more. Sound is left out: its one pass is done in moments and says nothing about waiting."""
    if cost.appeared_s is None:
        return None
    for after_s, line in cost.lines:
        progress = _progress(line)
        if after_s >= cost.appeared_s and progress:
            return Playable(cost.appeared_s, min(progress), max(progress))
    return Playable(cost.appeared_s, source.seconds, source.seconds)


def _progress(line):
    """Seconds of media that each rung has behind it, if the line is a report of that."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    if not isinstance(event, dict) or event.get("event") != "progress":
        return None
    rungs = [track for track in event["tracks"] if not track["track"].startswith("audio")]
    return [track["media_us"] / 1_000_000 for track in rungs]
