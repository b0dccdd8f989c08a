"""Score over time of one incident, laid out for a drawing and told in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from schemas.flags import Flag

WIDTH: Final = 640
HEIGHT: Final = 132
LEFT: Final = 34
RIGHT: Final = 10
TOP: Final = 10
BOTTOM: Final = 20


@dataclass(frozen=True, slots=True)
class Dot:
    """One score: where it is drawn, and what it says."""

    x: float
    y: float
    at: datetime
    score: float
    is_over: bool
    picture: int | None = None
    """Number of the picture taken at this look, from 1."""


@dataclass(frozen=True, slots=True)
class ScoreLine:
    """The drawing's coordinates, in a box of `WIDTH` by `HEIGHT`."""

    dots: tuple[Dot, ...]
    path: str
    area: str
    threshold: float
    threshold_y: float
    grid: tuple[tuple[float, str], ...]
    """Height and label of each horizontal line."""
    ticks: tuple[tuple[float, str, str], ...]
    """Place, label and anchor of each time."""
    summary: str
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT


def score_line(flag: Flag) -> ScoreLine:
    """Lays out the scores that a flag carries; a flag without any shows its pictures' scores."""
    points = _points(flag)
    first, last = points[0][0], points[-1][0]
    span_s = max((last - first).total_seconds(), 0.001)
    pictures = {picture.at: n for n, picture in enumerate(flag.evidence.pictures, 1)}
    only_one = len(points) == 1
    dots = tuple(
        Dot(
            x=_x(0.5 if only_one else (at - first).total_seconds() / span_s),
            y=_y(score),
            at=at,
            score=score,
            is_over=score >= flag.threshold,
            picture=pictures.get(at),
        )
        for at, score in points
    )
    path = " ".join(f"{dot.x:.1f},{dot.y:.1f}" for dot in dots)
    floor = _y(0)
    return ScoreLine(
        dots=dots,
        path=path,
        area=f"{dots[0].x:.1f},{floor:.1f} {path} {dots[-1].x:.1f},{floor:.1f}",
        threshold=flag.threshold,
        threshold_y=_y(flag.threshold),
        grid=tuple((_y(share), f"{share:g}") for share in (0.0, 0.5, 1.0)),
        ticks=_ticks(first, span_s, only_one),
        summary=_summary(flag, points),
    )


def _points(flag: Flag) -> list[tuple[datetime, float]]:
    found: Sequence[tuple[datetime, float]] = [(p.at, p.score) for p in flag.scores or ()]
    found = found or [(picture.at, picture.score) for picture in flag.evidence.pictures]
    found = found or [(flag.onset_at, flag.score), (flag.last_at, flag.score)]
    return sorted(set(found))


def _x(share: float) -> float:
    return LEFT + share * (WIDTH - LEFT - RIGHT)


def _y(score: float) -> float:
    return TOP + (1 - score) * (HEIGHT - TOP - BOTTOM)


def _ticks(first: datetime, span_s: float, only_one: bool) -> tuple[tuple[float, str, str], ...]:
    if only_one:
        return ((_x(0.5), f"{first:%H:%M:%S}", "middle"),)
    return (
        (_x(0), f"{first:%H:%M:%S}", "start"),
        (_x(0.5), f"+{span_s / 2:.1f} s", "middle"),
        (_x(1), f"+{span_s:.1f} s", "end"),
    )


def _summary(flag: Flag, points: Sequence[tuple[datetime, float]]) -> str:
    at, peak = max(points, key=lambda point: point[1])
    over = sum(score >= flag.threshold for _, score in points)
    span_s = (points[-1][0] - points[0][0]).total_seconds()
    return (
        f"{len(points)} scores over {span_s:.1f} seconds: first {points[0][1]:.2f}, "
        f"highest {peak:.2f} at {at:%H:%M:%S}, last {points[-1][1]:.2f}. "
        f"{over} of {len(points)} reach the threshold of {flag.threshold:.2f}."
    )
