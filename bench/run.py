#!/usr/bin/env python3
"""`make bench`: Reelmill against one well-written FFmpeg command and against the sum of its own parts.

Environment: `BENCH_INPUT` (a 1080p file of half a minute or more with sound; by default one is made), `BENCH_ROUNDS`
(3), `BENCH_QUICK=1` (one round of 8 s, to try this program; the document stays as it is), `BENCH_REELMILL` (another
build), `REELMILL_CORPUS` (where the default source's clips are).
"""

import os
import sys

import report
from campaign import Campaign
from settings import DOCUMENT, WORK, Refusal, Settings
from source import find_or_make


def main():
    settings = Settings.from_environment()
    if not os.access(settings.reelmill, os.X_OK):
        raise Refusal(f"bench: there is no {settings.reelmill}; `make build` makes it")
    WORK.mkdir(parents=True, exist_ok=True)
    source = find_or_make(settings)
    print(f"bench: {source.frames} frames of {source.what}, {settings.rounds} round(s)", flush=True)
    results = Campaign(settings, source).run()
    text = report.render(results, source)
    print(f"\n{text}\n")
    if settings.quick:
        print(f"bench: a quick run shows that this works, not how fast anything is; {DOCUMENT.name} is as it was")
    else:
        report.write(text)
        print(f"bench: written to {DOCUMENT}")


if __name__ == "__main__":
    try:
        main()
    except Refusal as refusal:
        sys.exit(str(refusal))
    except KeyboardInterrupt:
        sys.exit(130)
