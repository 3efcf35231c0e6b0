"""Small SVG figures of the report, drawn by hand: curves of loss, bars with whiskers, a line of time."""

from collections.abc import Mapping, Sequence
from html import escape
from math import ceil, log10

Point = tuple[float, float]
COLOURS = {"en": "#0f6e84", "zh": "#c4552d"}
STEP_COLOURS = ("#8fb8c4", "#5f97a8", "#c4552d", "#0f6e84", "#d9a441", "#7d8c5c", "#9a9a9a")


def loss_curves(curves: Mapping[str, Sequence[Point]], names: Mapping[str, str]) -> str:
    """Training loss over steps, one line a language: steps faint, their running mean strong. Empty without points."""
    shown = {language: points for language, points in curves.items() if points}
    if not shown:
        return ""
    width, height, left, bottom, top = 960, 300, 46, 34, 14
    last = max(points[-1][0] for points in shown.values())
    highest = max(loss for points in shown.values() for _, loss in points)
    ceiling = _round_up(highest)

    def at(point: Point) -> str:
        x = left + point[0] / last * (width - left - 90)
        return f"{x:.1f},{height - bottom - point[1] / ceiling * (height - bottom - top):.1f}"

    parts = [f'<svg class="curves" viewBox="0 0 {width} {height}" role="img" aria-label="training loss by step">']
    for share in (0, 0.25, 0.5, 0.75, 1):
        y = height - bottom - share * (height - bottom - top)
        parts.append(f'<line x1="{left}" x2="{width - 90}" y1="{y:.1f}" y2="{y:.1f}" class="rule"/>')
        parts.append(f'<text x="{left - 8}" y="{y + 4:.1f}" class="tick end">{ceiling * share:g}</text>')
    for share in (0.25, 0.5, 0.75, 1):
        x = left + share * (width - left - 90)
        parts.append(f'<text x="{x:.1f}" y="{height - 12}" class="tick mid">{last * share:.0f}</text>')
    parts.append(f'<text x="{left}" y="{height - 12}" class="tick">step 步</text>')
    # Two curves that end at the same loss must not write over each other.
    label_y = 0.0
    for language, points in sorted(shown.items(), key=lambda item: -item[1][-1][1]):
        colour, smooth = COLOURS.get(language, "#555"), running_mean(points)
        parts.append(f'<polyline points="{" ".join(map(at, points))}" class="faint" stroke="{colour}"/>')
        parts.append(f'<polyline points="{" ".join(map(at, smooth))}" class="strong" stroke="{colour}"/>')
        x, y = map(float, at(smooth[-1]).split(","))
        label_y = max(y + 4, label_y + 18)
        name = escape(names.get(language, language))
        parts.append(f'<text x="{x + 8:.1f}" y="{label_y:.1f}" class="name" fill="{colour}">{name}</text>')
    return "".join(parts) + "</svg>"


def running_mean(points: Sequence[Point], share: float = 0.04) -> list[Point]:
    """Mean of the losses around each step, over about ``share`` of all steps."""
    reach = max(1, round(len(points) * share))
    means = []
    for place, (step, _) in enumerate(points):
        near = [loss for _, loss in points[max(0, place - reach) : place + reach + 1]]
        means.append((step, sum(near) / len(near)))
    return means


def whisker(low: float, share: float, high: float, colour: str) -> str:
    """A score on a line from 0 to 100%: the interval as a bar, the score as a dot."""

    def at(value: float) -> float:
        return 4 + value * 132

    return (
        '<svg class="whisker" viewBox="0 0 140 14" aria-hidden="true">'
        '<line x1="4" x2="136" y1="7" y2="7" class="rule"/>'
        f'<line x1="{at(low):.1f}" x2="{at(high):.1f}" y1="7" y2="7" stroke="{colour}" class="bar"/>'
        f'<circle cx="{at(share):.1f}" cy="7" r="4.5" fill="{colour}"/></svg>'
    )


def timeline(parts: Sequence[tuple[str, float]]) -> str:
    """One bar whose pieces are as long as the steps took."""
    total, x, drawn = sum(seconds for _, seconds in parts) or 1.0, 0.0, []
    for place, (name, seconds) in enumerate(parts):
        width = seconds / total * 960
        colour = STEP_COLOURS[place % len(STEP_COLOURS)]
        drawn.append(f'<rect x="{x:.1f}" y="0" width="{max(width - 1.5, 0.5):.1f}" height="34" rx="3" fill="{colour}">')
        drawn.append(f"<title>{escape(name)}: {seconds:.1f} s</title></rect>")
        if width > 44:
            drawn.append(f'<text x="{x + width / 2:.1f}" y="22" class="in">{seconds:.0f} s</text>')
        x += width
    return f'<svg class="timeline" viewBox="0 0 960 34" role="img" aria-label="time">{"".join(drawn)}</svg>'


def _round_up(value: float) -> float:
    """The next of 1, 1.5, 2, 2.5, 3, 4, 5, 6, 8 or 10 times a power of ten: a quarter of it is a short number."""
    value = max(value, 0.001)  # An axis needs some height.
    unit = 10.0 ** (ceil(log10(value)) - 1)
    # The last resort is for a value whose rounding error lifts it above ten units.
    return next((step * unit for step in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10) if step * unit >= value), value)
