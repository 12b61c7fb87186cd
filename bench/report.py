"""The tables, as Markdown, and the document that they stand in between two markers."""

from statistics import median

import figures
import machine
import quality
from settings import BIT_RATE_APART_MAX, DOCUMENT, LADDER, PLAYABLE_MEDIA_S, PRESETS, SSIM_BELOW_MAX, Refusal

BEGIN = "<!-- bench: begin; `make bench` writes what follows, up to the end marker -->"
END = "<!-- bench: end -->"


def render(results, source):
    """Everything between the markers."""
    rounds = len(results.packagings)
    head = [(name, value) for name, value in machine.about(results, source)]
    sections = [
        _table(("", ""), head),
        f"Medians of {rounds} round{'s' if rounds > 1 else ''}; a ratio is taken within each round, and the median "
        "ratio counts (the range behind it).",
        _targets(results, source),
        "### The parts\n\nCPU seconds of each part run alone, in the same rounds.",
        _parts(results),
        "### What came out",
        _quality(results, source),
    ]
    return "\n\n".join(sections)


def write(text):
    """Puts the text between the markers and leaves the rest of the document as it is."""
    document = DOCUMENT.read_text(encoding="utf-8")
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise Refusal(f"bench: {DOCUMENT} has lost its markers; put these two lines back: {BEGIN} {END}")
    DOCUMENT.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


def _targets(results, source):
    rows = []
    for speed, preset in PRESETS.items():
        pairs = results.pairs[speed]
        for figure in (*figures.against_theirs(pairs), figures.against_parts(pairs)):
            rows.append(_row(f"{speed} (x264 {preset})", figure))
    rows.append(_row(f"fast (x264 {PRESETS['fast']})", figures.packagings(results)))
    rows += [_playable_row(speed, results.pairs[speed]) for speed in PRESETS]
    return _table(("speed", "figure", "ours", "against", "ratio", "target", "met"), rows)


def _row(speed, figure):
    digits = 0 if figure.unit == "MB" else 2
    mine, other = (f"{median(values):.{digits}f} {figure.unit}" for values in (figure.ours, figure.theirs))
    spread = f" ({min(figure.ratios):.3f} to {max(figure.ratios):.3f})" if len(figure.ratios) > 1 else ""
    return speed, figure.what, mine, other, f"{median(figure.ratios):.3f}{spread}", str(figure.target), figure.verdict


def _playable_row(speed, pairs):
    """The largest of all rounds: a promise about how long somebody waits is no median."""
    what = "media encoded at the first playable manifest"
    seen = [pair.playable for pair in pairs]
    target = f"below {PLAYABLE_MEDIA_S.most:g} s"
    if None in seen:
        return speed, what, "never seen", "", "", target, "no: there was no manifest"
    slowest, fastest = max(p.slowest_s for p in seen), max(p.fastest_s for p in seen)
    mine = f"{fastest:.1f} s (fastest rung), {slowest:.1f} s (slowest), after {median(p.after_s for p in seen):.1f} s"
    waits = [pair.theirs.appeared_s for pair in pairs if pair.theirs.appeared_s is not None]
    other = f"after {median(waits):.1f} s" if waits else "never"
    over = fastest - PLAYABLE_MEDIA_S.most
    return speed, what, mine, other, "", target, "yes" if over < 0 else f"short by {over:.1f} s"


def _parts(results):
    speeds = list(PRESETS)
    columns = [figures.part_rows(results.pairs[speed]) for speed in speeds]
    rows = [(row[0][0], *(f"{seconds:.2f}" for _, seconds in row)) for row in zip(*columns, strict=True)]
    for name, ratio in (
        ("ours against the sum without reading", figures.against_parts_unread),
        ("theirs against the sum", figures.theirs_against_parts),
    ):
        rows.append((name, *(f"{ratio(results.pairs[speed]):.3f}" for speed in speeds)))
    return _table(("part", *(f"{speed} (x264 {PRESETS[speed]})" for speed in speeds)), rows)


def _quality(results, source):
    rows, remarks = [], []
    for speed, (ours, theirs) in results.quality.items():
        for rung in LADDER:
            mine, other = ours[rung.name], theirs[rung.name]
            rates = f"{mine.bit_rate / 1000:.0f} / {other.bit_rate / 1000:.0f}"
            likeness = f"{mine.ssim:.4f} / {other.ssim:.4f}" if mine.ssim is not None else ""
            frames = f"{mine.frames} / {other.frames}"
            rows.append((speed, rung.name, frames, rates, likeness, _close(mine, other, source)))
            remarks += [f"{speed} {rung.name}, x264: {text}" for text in quality.differences(mine, other)]
    header = ("speed", "rung", "frames, ours / theirs", "mean kb/s", "SSIM against the source", "equal")
    threads = "Settings that x264 names in both streams are the same, but for threads and `stitchable`."
    settings = "\n".join(f"- {text}" for text in remarks) if remarks else threads
    return f"{_table(header, rows)}\n\n{settings}"


def _close(mine, other, source):
    """Whether the two may be compared at all, or what stands against it."""
    wrong = []
    if mine.size != other.size:
        wrong.append(f"{mine.size} against {other.size}")
    if {mine.frames, other.frames} != {source.frames}:
        wrong.append(f"the source has {source.frames} frames")
    if abs(mine.bit_rate / other.bit_rate - 1) > BIT_RATE_APART_MAX:
        wrong.append(f"rates differ by {mine.bit_rate / other.bit_rate - 1:+.1%}")
    if mine.ssim is not None and mine.ssim < other.ssim - SSIM_BELOW_MAX:
        wrong.append(f"SSIM is lower by {other.ssim - mine.ssim:.4f}")
    return "no: " + "; ".join(wrong) if wrong else "yes"


def _table(header, rows):
    def line(cells):
        return "|" + "|".join(f" {cell} " if cell else " " for cell in cells) + "|"

    return "\n".join([line(header), "|" + "---|" * len(header), *map(line, rows)])
