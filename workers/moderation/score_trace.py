"""The score trace: an incident's scores over time, few enough to travel with every flag.

A pure function of the looks in order, so that a replay gives the same flag.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from engines.decision import Look
from schemas.flags import SCORES_KEPT, ScorePoint
from schemas.frames import capture_time

THINNED_TO: Final = 80
"""Fewer than are kept, so that it is not thinned again at the next look."""
FINEST_S: Final = 0.25


def traced(trace: tuple[ScorePoint, ...], looks: Iterable[Look]) -> tuple[ScorePoint, ...]:
    """The trace with more looks; thinned where it grows too long."""
    points = (*trace, *(_point(look) for look in looks))
    return points if len(points) <= SCORES_KEPT else _thinned(points)


def _point(look: Look) -> ScorePoint:
    """Milliseconds and four digits are more than a plot shows, and a third of the bytes."""
    return ScorePoint(at=capture_time(round(look.at_s, 3)), score=round(look.score, 4))


def _thinned(points: tuple[ScorePoint, ...]) -> tuple[ScorePoint, ...]:
    """The first point, and the highest of each span of equal length: a peak is never lost.

    Spans double from a quarter second on, all counted from the first point, so that thinning again
    keeps what it kept, and an hour is as evenly spread as a minute.
    """
    first, *rest = points
    width_s = FINEST_S
    while True:
        highest: dict[int, ScorePoint] = {}
        for point in rest:
            span = int((point.at - first.at).total_seconds() / width_s)
            if span not in highest or point.score > highest[span].score:
                highest[span] = point
        if len(highest) < THINNED_TO:
            return (first, *highest.values())
        width_s *= 2
