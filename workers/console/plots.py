"""Plots drawn on the server as inline SVG: lines over time and bars, with axes and intervals.

They carry classes and no colours or styles: the stylesheet paints them in light and dark, and the
console's content policy allows no `style` attribute. Whoever shows one shows its table, too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from xml.etree import ElementTree as Xml

from markupsafe import Markup


@dataclass(frozen=True, slots=True)
class Size:
    """Pixels of the drawing; text keeps its size only where it is shown at that width."""

    width: int
    height: int


WIDE: Final = Size(940, 260)
HALF: Final = Size(460, 260)
NARROW: Final = Size(320, 220)
LEFT, RIGHT, TOP, BOTTOM = 46, 10, 34, 26
ROW: Final = 44
_TICK_STEPS: Final = (1, 2, 5, 10)
_TIME_STEPS: Final = tuple(
    [timedelta(hours=hours) for hours in (1, 3, 6, 12)]
    + [timedelta(days=days) for days in (1, 2, 7, 14, 30, 90)]
)
_EPOCH: Final = datetime(1970, 1, 5, tzinfo=UTC)
"""A Monday, so that steps of a week fall on Mondays."""


@dataclass(frozen=True, slots=True)
class Axis:
    """From where to where an axis runs, what it measures, and what stands at its ticks."""

    low: float
    high: float
    title: str
    ticks: tuple[tuple[float, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Point:
    """One figure with its interval; without `y` the line breaks here."""

    x: float
    y: float | None
    low: float | None = None
    high: float | None = None
    title: str = ""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar, `value` in the axis' unit, with its interval and the words beside its name."""

    name: str
    value: float | None
    note: str
    low: float | None = None
    high: float | None = None


def share_axis(title: str, most: float = 1.0) -> Axis:
    """Percentages from 0 to 100, or to the first of 20 and 40 that holds `most`."""
    high = next((part for part in (20, 40) if most * 100 <= part), 100)
    ticks = tuple((high * step / 400, f"{high * step / 4:g}\u202f%") for step in range(5))
    return Axis(0.0, high / 100, title, ticks)


def number_axis(high: float, title: str) -> Axis:
    """From 0 to a round number above `high`, with at most five steps of 1, 2 or 5."""
    rough = max(high, 1.0) / 5
    scale = 10 ** math.floor(math.log10(rough))
    step = next(step * scale for step in _TICK_STEPS if step * scale >= rough)
    count = math.ceil(max(high, 1.0) / step)
    ticks = tuple((number * step, f"{number * step:g}") for number in range(count + 1))
    return Axis(0.0, count * step, title, ticks)


def time_axis(first: datetime, last: datetime, most: int, title: str = "") -> Axis:
    """Unix seconds, with at most `most` ticks at whole hours, days or Mondays in UTC."""
    span = max(last - first, timedelta(hours=1))
    step = next((step for step in _TIME_STEPS if span / step <= most - 1), span / (most - 1))
    number = math.ceil((first - _EPOCH) / step)
    ticks = []
    while (moment := _EPOCH + number * step) <= first + span:
        shown = f"{moment:%H:%M}" if step < timedelta(days=1) else f"{moment.day} {moment:%b}"
        ticks.append((moment.timestamp(), shown))
        number += 1
    return Axis(first.timestamp(), (first + span).timestamp(), title, tuple(ticks))


def line_plot(
    points: Sequence[Point],
    across: Axis,
    upward: Axis,
    summary: str,
    size: Size = WIDE,
    threshold: tuple[float, str] | None = None,
    marks: Sequence[tuple[float, str]] = (),
) -> Markup:
    """A line with a dot and a whisker at each point.

    Args:
        points: In the order of `x`; a point without `y` breaks the line.
        across: The horizontal axis.
        upward: The vertical axis.
        summary: A sentence for those who do not see it: what it shows, not how it looks.
        size: `WIDE` or `NARROW`.
        threshold: A level to mark, and its name.
        marks: Places across to mark, and their names.
    """
    drawing = _Drawing(size, across, upward, summary)
    drawing.axes()
    if threshold is not None:
        drawing.level(*threshold)
    for place, name in marks:
        drawing.mark(place, name)
    for stretch in _stretches(points):
        drawing.path("line", [(point.x, point.y or 0.0) for point in stretch])
    for point in points:
        drawing.figure(point)
    return drawing.markup()


def bar_plot(bars: Sequence[Bar], along: Axis, summary: str, size: Size = WIDE) -> Markup:
    """Horizontal bars with whiskers; name and words stand above each bar."""
    size = Size(size.width, TOP + ROW * len(bars) + BOTTOM)
    root = _root(size, summary)
    foot = size.height - BOTTOM
    reach = size.width - 2 * RIGHT

    def place(value: float) -> float:
        return RIGHT + (value - along.low) / (along.high - along.low) * reach

    for value, text in along.ticks:
        _line(root, "grid", place(value), TOP - 8, place(value), foot)
        _text(root, text, place(value), foot + 16, _anchor(place(value), size.width))
    _text(root, along.title, RIGHT, 12, "start")
    for number, bar in enumerate(bars):
        top = TOP + ROW * number + 4
        _text(root, bar.name, RIGHT, top + 10, "start", "bar-name")
        _text(root, bar.note, size.width - RIGHT, top + 10, "end")
        if bar.value is not None:
            width = max(place(bar.value) - RIGHT, 1.5)
            _element(root, "rect", "bar", x=RIGHT, y=top + 16, width=width, height=14, rx=2)
        if bar.low is not None and bar.high is not None:
            _whisker(root, (place(bar.low), top + 23), (place(bar.high), top + 23))
    _line(root, "axis", RIGHT, TOP - 8, RIGHT, foot)
    return _markup(root)


class _Drawing:
    """A frame with two axes, and figures placed in it."""

    def __init__(self, size: Size, across: Axis, upward: Axis, summary: str) -> None:
        self._size, self._across, self._upward = size, across, upward
        self._root = _root(size, summary)

    def axes(self) -> None:
        left, right = LEFT, self._size.width - RIGHT
        foot = self._size.height - BOTTOM
        for value, text in self._upward.ticks:
            y = self._y(value)
            _line(self._root, "grid", left, y, right, y)
            _text(self._root, text, left - 8, y + 4, "end")
        for value, text in self._across.ticks:
            x = self._x(value)
            _line(self._root, "axis", x, foot, x, foot + 4)
            _text(self._root, text, x, foot + 18, _anchor(x, self._size.width))
        _line(self._root, "axis", left, foot, right, foot)
        _text(self._root, self._upward.title, 0, 12, "start")
        if self._across.title:
            _text(self._root, self._across.title, right, 12, "end")

    def level(self, value: float, name: str) -> None:
        y, right = self._y(value), self._size.width - RIGHT
        _line(self._root, "threshold", LEFT, y, right, y)
        _text(self._root, name, right, y - 5, "end", "threshold-label")

    def mark(self, value: float, name: str) -> None:
        x = self._x(value)
        _line(self._root, "mark", x, TOP - 16, x, self._size.height - BOTTOM)
        is_left = x < self._size.width / 2
        _text(self._root, name, x + (5 if is_left else -5), TOP - 8, "start" if is_left else "end")

    def path(self, kind: str, places: Iterable[tuple[float, float]]) -> None:
        text = " ".join(f"{self._x(x):.1f},{self._y(y):.1f}" for x, y in places)
        _element(self._root, "polyline", kind, points=text)

    def figure(self, point: Point) -> None:
        if point.y is None:
            return
        x = self._x(point.x)
        if point.low is not None and point.high is not None:
            _whisker(self._root, (x, self._y(point.low)), (x, self._y(point.high)))
        dot = _element(self._root, "circle", "dot", cx=x, cy=self._y(point.y), r=3.5)
        if point.title:
            Xml.SubElement(dot, "title").text = point.title

    def markup(self) -> Markup:
        return _markup(self._root)

    def _x(self, value: float) -> float:
        reach = self._size.width - LEFT - RIGHT
        return LEFT + (value - self._across.low) / (self._across.high - self._across.low) * reach

    def _y(self, value: float) -> float:
        reach = self._size.height - TOP - BOTTOM
        share = (value - self._upward.low) / (self._upward.high - self._upward.low)
        return self._size.height - BOTTOM - share * reach


def _stretches(points: Sequence[Point]) -> list[list[Point]]:
    """Runs of points that have a figure."""
    found: list[list[Point]] = [[]]
    for point in points:
        if point.y is None:
            found.append([])
        else:
            found[-1].append(point)
    return [stretch for stretch in found if len(stretch) > 1]


def _root(size: Size, summary: str) -> Xml.Element:
    kind = "plot is-narrow" if size.width == NARROW.width else "plot is-wide"
    box = f"0 0 {size.width} {size.height}"
    return Xml.Element("svg", {"class": kind, "viewBox": box, "role": "img", "aria-label": summary})


def _whisker(root: Xml.Element, start: tuple[float, float], end: tuple[float, float]) -> None:
    (x1, y1), (x2, y2) = start, end
    _line(root, "whisker", x1, y1, x2, y2)
    across, along = (0, 4) if y1 == y2 else (4, 0)
    for x, y in (start, end):
        _line(root, "whisker", x - across, y - along, x + across, y + along)


def _anchor(x: float, width: int) -> str:
    """Where text hangs so that it stays inside the drawing."""
    if x < LEFT / 2:
        return "start"
    return "end" if x > width - 24 else "middle"


def _line(root: Xml.Element, kind: str, x1: float, y1: float, x2: float, y2: float) -> None:
    _element(root, "line", kind, x1=x1, y1=y1, x2=x2, y2=y2)


def _text(
    root: Xml.Element, text: str, x: float, y: float, anchor: str, kind: str = "label"
) -> None:
    made = _element(root, "text", kind, x=x, y=y)
    made.set("text-anchor", anchor)
    made.text = text


def _element(root: Xml.Element, name: str, kind: str, **facts: float | str) -> Xml.Element:
    shown = {
        key: fact if isinstance(fact, str) else f"{fact:.1f}".removesuffix(".0")
        for key, fact in facts.items()
    }
    return Xml.SubElement(root, name, {"class": kind} | shown)


def _markup(root: Xml.Element) -> Markup:
    """Text in it was escaped by the serialiser."""
    return Markup(Xml.tostring(root, encoding="unicode"))
