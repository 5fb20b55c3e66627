"""Curves over epochs as inline SVG: told apart by dashes and by the name at their end, not by colour alone."""

from __future__ import annotations

import math
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple
from xml.etree import ElementTree as ET

from card_doctor.reporting.markup import append, element

WIDTH, HEIGHT = 640, 240
LEFT, RIGHT, TOP, BOTTOM = 56, 150, 14, 34
DASHES = (None, "7 4", "2 4", "10 3 2 3", "4 4", "1 3")
MOST_POINTS = 2000
Points = List[Tuple[float, float]]


def curves(results: Sequence[Mapping[str, Any]]) -> Dict[str, Dict[str, Points]]:
    """What can be drawn of a table of results: losses, and scores between 0 and 1, each by epoch (or step)."""
    axis = next((name for name in ("epoch", "step") if all(_number(row.get(name)) for row in results)), None)
    if axis is None or len(results) < 2:
        return {}
    drawn: Dict[str, Dict[str, Points]] = {"Loss": {}, "Scores": {}}
    for column in dict.fromkeys(name for row in results for name in row):
        if column in {"epoch", "step"}:
            continue
        rows = [row for row in results[:MOST_POINTS] if _number(row.get(column))]
        points = [(float(row[axis]), float(row[column])) for row in rows]
        if len(points) < 2:
            continue
        if "loss" in column:
            drawn["Loss"][column] = points
        elif all(0 <= y <= 1 for _, y in points):
            drawn["Scores"][column] = points
    return {f"{name} by {axis}": dict(list(lines.items())[: len(DASHES)]) for name, lines in drawn.items() if lines}


def beside(card: Sequence[Mapping[str, Any]], run: Sequence[Mapping[str, Any]]) -> Dict[str, Dict[str, Points]]:
    """The curves of a run and those of its card, in the same charts where both go by the same axis; what both have
    comes first.
    """
    theirs, ours = curves(card), curves(run)
    drawn: Dict[str, Dict[str, Points]] = {}
    for title in dict.fromkeys([*ours, *theirs]):
        names = sorted({*ours.get(title, ()), *theirs.get(title, ())})
        names.sort(key=lambda name: not (name in ours.get(title, ()) and name in theirs.get(title, ())))
        lines = [
            (f"{whose}: {name}", found[title][name])
            for name in names
            for whose, found in (("run", ours), ("card", theirs))
            if name in found.get(title, ())
        ]
        drawn[title] = dict(lines[: len(DASHES)])
    return drawn


def chart(title: str, lines: Mapping[str, Points], known_as: str) -> ET.Element:
    """An image with a title that names each curve's first, best and last value."""
    every = [point for points in lines.values() for point in points]
    low_x, high_x = _range([x for x, _ in every])
    low_y, high_y = _range([y for _, y in every])

    def place(x: float, y: float) -> Tuple[float, float]:
        across = LEFT + (x - low_x) / (high_x - low_x) * (WIDTH - LEFT - RIGHT)
        down = TOP + (high_y - y) / (high_y - low_y) * (HEIGHT - TOP - BOTTOM)
        return round(across, 1), round(down, 1)

    image = element(
        "svg", viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_labelledby=f"{known_as}-title", class_="chart"
    )
    append(image, element("title", f"{title}. {'. '.join(map(_told, lines.items()))}.", id=f"{known_as}-title"))
    for number in range(5):
        value = low_y + (high_y - low_y) * number / 4
        _, y = place(low_x, value)
        append(image, element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, class_="grid"))
        append(image, element("text", f"{value:.3g}", x=LEFT - 8, y=y + 4, text_anchor="end"))
    for value in dict.fromkeys((low_x, (low_x + high_x) / 2, high_x)):
        x, _ = place(value, low_y)
        append(image, element("text", f"{value:.4g}", x=x, y=HEIGHT - 10, text_anchor="middle"))
    heights = _apart([place(*points[-1])[1] for points in lines.values()])
    for number, (name, points) in enumerate(lines.items()):
        drawn = " ".join(f"{x},{y}" for x, y in (place(*point) for point in points))
        append(
            image,
            element("polyline", points=drawn, stroke_dasharray=DASHES[number], class_=f"curve c{number}"),
            element("text", name[:22], x=WIDTH - RIGHT + 8, y=heights[number] + 4, class_=f"c{number}"),
        )
    return image


def _told(line: Tuple[str, Points]) -> str:
    name, points = line
    best = (min if "loss" in name else max)(points, key=lambda point: point[1])
    return f"{name}: {points[0][1]:.4g} at first, best {best[1]:.4g} at {best[0]:.4g}, {points[-1][1]:.4g} at last"


def _number(value: object) -> bool:
    # Beyond this a difference of two is no number any more.
    return isinstance(value, (int, float)) and not isinstance(value, bool) and -1e150 < value < 1e150


def _range(values: Sequence[float]) -> Tuple[float, float]:
    low, high = min(values), max(values)
    room = (high - low) * 0.05
    if not math.isfinite(room) or high - low <= abs(high) * 1e-9:
        room = abs(high) * 0.1 or 1.0
        return low - room, high + room
    return low, high


def _apart(heights: Sequence[float], least: float = 15) -> List[float]:
    """Labels that would cover each other, moved down."""
    placed: Dict[int, float] = {}
    last: Optional[float] = None
    for index in sorted(range(len(heights)), key=heights.__getitem__):
        last = heights[index] if last is None else max(heights[index], last + least)
        placed[index] = last
    over = max(0.0, (last or 0.0) - (HEIGHT - BOTTOM))
    return [placed[index] - over for index in range(len(heights))]
