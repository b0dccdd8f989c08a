"""The quality page: how well people agree, what they overturn, what the model is worth.

Figures are worked out at most once a minute for each span of time, whoever asks, and less often
where that takes long: pages that people wait for come first.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from markupsafe import Markup
from starlette.responses import Response

from workers.console.access import needs
from workers.console.estimates import Estimate, wilson
from workers.console.judgements import (
    Judged,
    Overturned,
    Span,
    agreement,
    agreement_of_pairs,
    estimated_recall,
    judged_from,
    overturned,
    precision,
    precision_by_version,
    precision_over_time,
    start_of,
    versions_that_began,
)
from workers.console.pages import percent, render
from workers.console.parts import ConsoleParts, Parts
from workers.console.people import Person, Right
from workers.console.plots import (
    HALF,
    NARROW,
    WIDE,
    Bar,
    Point,
    Size,
    bar_plot,
    line_plot,
    share_axis,
    time_axis,
)

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
FRESH_S: Final = 60.0
SHARE_OF_TIME: Final = 20
"""Figures are kept for this many times as long as they took: 5 % of one core at most."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A span of time that can be chosen, and the steps it is drawn in."""

    word: str
    title: str
    lasts: timedelta
    step: timedelta


STRETCHES: Final = (
    Stretch("day", "24 hours", DAY, HOUR),
    Stretch("week", "7 days", 7 * DAY, DAY),
    Stretch("month", "30 days", 30 * DAY, DAY),
    Stretch("quarter", "90 days", 90 * DAY, 7 * DAY),
)


@dataclass(frozen=True, slots=True)
class Quality:
    """Every figure of the page for one stretch, at one moment."""

    made_at: datetime
    flags: int
    audited: int
    precision: Estimate
    recall: Estimate
    agreement: Estimate
    overturned_of_all: Estimate
    over_time: tuple[Span, ...]
    by_version: tuple[tuple[str, Estimate], ...]
    versions_began: tuple[tuple[str, datetime], ...]
    by_policy: tuple[Overturned, ...]
    pairs: tuple[tuple[str, str, Estimate], ...]


class QualityBook:
    """Keeps the figures of each stretch for a while; safe for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[float, Quality]] = {}
        """Until when they are fresh, by the monotonic clock, and the figures."""

    def of(self, parts: ConsoleParts, stretch: Stretch) -> Quality:
        """Raises QueueUnavailable where the decisions cannot be read."""
        with self._lock:
            kept = self._kept.get(stretch.word)
            began_s = time.monotonic()
            if kept is not None and began_s < kept[0]:
                return kept[1]
            now = datetime.now(UTC)
            first = start_of(stretch.step, now - stretch.lasts + stretch.step)
            found = quality(judged_from(parts.history.since(first)), first, now, stretch.step)
            ended_s = time.monotonic()
            fresh_s = max(FRESH_S, (ended_s - began_s) * SHARE_OF_TIME)
            self._kept[stretch.word] = (ended_s + fresh_s, found)
            return found


router = APIRouter()


@router.get("/quality")
def quality_page(
    request: Request,
    _supervisor: Annotated[Person, Depends(needs(Right.SEE_QUALITY))],
    parts: Parts,
    over: str = "week",
) -> Response:
    """Figures and plots of one stretch of time."""
    stretch = next((one for one in STRETCHES if one.word == over), STRETCHES[1])
    found = _book(request).of(parts, stretch)
    return render(
        request,
        "quality.html",
        found=found,
        stretch=stretch,
        stretches=STRETCHES,
        precision_plots=[precision_plot(found, stretch, size) for size in (WIDE, NARROW)],
        overturned_plots=[overturned_plot(found.by_policy, size) for size in (HALF, NARROW)],
        recall_plots=[recall_plot(found.recall, size) for size in (HALF, NARROW)],
        step_name="hour" if stretch.step == HOUR else "day" if stretch.step == DAY else "week",
    )


def quality(flags: Sequence[Judged], first: datetime, last: datetime, step: timedelta) -> Quality:
    """Every figure of flags that were judged in a span of time."""
    by_policy = overturned(flags)
    turned = sum(round((one.share.value or 0) * one.share.n) for one in by_policy)
    final = [flag for flag in flags if flag.final is not None]
    recent = [flag for flag in final if flag.opened_at >= first]
    return Quality(
        made_at=last,
        flags=sum(flag.probability is None for flag in final),
        audited=sum(flag.probability is not None for flag in final),
        precision=precision(recent),
        recall=estimated_recall(recent),
        agreement=agreement(flags),
        overturned_of_all=wilson(turned, sum(one.share.n for one in by_policy)),
        over_time=tuple(precision_over_time(recent, first, last, step)),
        by_version=tuple(precision_by_version(recent)),
        versions_began=tuple(versions_that_began(recent)),
        by_policy=tuple(by_policy),
        pairs=tuple(agreement_of_pairs(flags)),
    )


def precision_plot(found: Quality, stretch: Stretch, size: Size) -> Markup | None:
    """Precision over time, and where a model first appears; None without a decided flag."""
    spans = found.over_time
    known = [span for span in spans if span.precision.value is not None]
    if not known:
        return None
    points = [
        Point(
            (span.starts_at + stretch.step / 2).timestamp(),
            span.precision.value,
            span.precision.low,
            span.precision.high,
            f"{span.starts_at:%d %b %H:%M}: {span.violent} of {span.precision.n} violent",
        )
        for span in spans
    ]
    across = time_axis(spans[0].starts_at, spans[-1].starts_at + stretch.step, size.width // 80)
    shares = [span.precision.value or 0.0 for span in known]
    summary = (
        f"Precision of the model over {stretch.title}: {len(known)} steps with decided flags, "
        f"lowest {percent(min(shares))}, highest {percent(max(shares))}. The table has the numbers."
    )
    upward = share_axis("violent, of the flags decided")
    marks = [(moment.timestamp(), version) for version, moment in found.versions_began]
    return line_plot(points, across, upward, summary, size, marks=marks)


def overturned_plot(rows: Sequence[Overturned], size: Size) -> Markup | None:
    """Overturned first verdicts by policy; None where no flag was judged twice."""
    bars = [
        Bar(
            row.policy,
            row.share.value,
            f"{percent(row.share.value or 0)} of {row.share.n}",
            row.share.low,
            row.share.high,
        )
        for row in rows
    ]
    summary = f"Share of first verdicts that did not stand, for {len(rows)} policies."
    most = max((bar.high or 0.0 for bar in bars), default=1.0)
    return bar_plot(bars, share_axis("overturned", most), summary, size) if bars else None


def recall_plot(found: Estimate, size: Size) -> Markup | None:
    """The estimate and its interval on the whole scale; None where there is neither."""
    if found.low is None:
        return None
    note = f"about {percent(found.value)}" if found.value else f"at least {percent(found.low)}"
    bar = Bar("inside a flag", found.value, note, found.low, found.high)
    return bar_plot([bar], share_axis("violent frames"), f"Estimated recall: {note}.", size)


def _book(request: Request) -> QualityBook:
    state: Any = request.app.state
    if not hasattr(state, "quality"):
        state.quality = QualityBook()
    book: QualityBook = state.quality
    return book
