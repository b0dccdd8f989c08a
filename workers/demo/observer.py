"""What a run of the demo shows: read from outside, as an operator would.

Flags come from the queue's log in Redis, truth from the simulator's file, the rest from the
worker's metrics.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from schemas.flags import Flag
from schemas.frames import capture_time
from schemas.truth import AmbiguousSpan, TrueIncident
from workers.demo.scoreboard import Score, SeenFlag, score
from workers.errors import WorkerError
from workers.review.board import Board
from workers.review.desk import ReviewDesk
from workers.settings import RedisSettings

TIMEOUT_S: Final = 2.0
EVENTS: Final = 100_000


@dataclass(frozen=True, slots=True)
class WorkerNumbers:
    """The worker's own account; all zero before it answers."""

    frames_in: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    open: int = 0
    messages: int = 0
    lag: int = 0
    streams: int = 0
    is_ready: bool = False

    @property
    def is_accounted(self) -> bool:
        """Whether every frame that came in is out again, by outcome."""
        return self.frames_in > 0 and self.frames_in == sum(self.outcomes.values())


class Observer:
    """Looks at a running demo."""

    def __init__(self, redis: RedisSettings, metrics_port: int, truth: Path | None) -> None:
        self._desk = ReviewDesk(redis)
        self._board = Board(redis)
        self._address = f"http://127.0.0.1:{metrics_port}"
        self._truth = truth

    def flags(self) -> list[SeenFlag]:
        """Every flag so far with the moment Redis got it, oldest first."""
        seen: list[SeenFlag] = []
        for event in reversed(self._desk.log(EVENTS)):
            if event["event"] != "new":
                continue
            fields = self._desk.flag(event["flag"])
            if fields is not None:
                milliseconds = int(event["at"].split("-")[0])
                found = Flag.model_validate_json(fields["json"])
                seen.append(SeenFlag(found, capture_time(milliseconds / 1000)))
        return seen

    def truth(self) -> list[TrueIncident | AmbiguousSpan]:
        """What the simulator says has happened so far."""
        if self._truth is None or not self._truth.exists():
            return []
        return list(_truth_lines(self._truth.read_text()))

    def score(self, until: datetime | None = None) -> Score:
        return score(self.truth(), self.flags(), until or datetime.now(UTC))

    def decided(self) -> int:
        """Flags that people decided."""
        return self._board.counts().decided

    def worker(self) -> WorkerNumbers:
        """The worker's metrics; zeros while it does not answer."""
        try:
            with urllib.request.urlopen(f"{self._address}/metrics", timeout=TIMEOUT_S) as reply:
                text = reply.read().decode()
            return _numbers(text, self._is_ready())
        except OSError:
            return WorkerNumbers()

    def close(self) -> None:
        self._desk.close()
        self._board.close()

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self._address}/readyz", timeout=TIMEOUT_S):
                return True
        except urllib.error.HTTPError as error:
            error.close()
            return False


def _truth_lines(text: str) -> Iterator[TrueIncident | AmbiguousSpan]:
    for line in text.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue  # the line that is being written
        match entry.get("schema_version"):
            case "flagpost.truth/1":
                yield TrueIncident.model_validate(entry)
            case "flagpost.ambiguous/1":
                yield AmbiguousSpan.model_validate(entry)


def _numbers(text: str, is_ready: bool) -> WorkerNumbers:
    values: dict[str, float] = {}
    outcomes: dict[str, int] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == "flagpost_frames_total":
                outcomes[sample.labels["outcome"]] = int(sample.value)
            elif not sample.labels:
                values[sample.name] = sample.value
    try:
        return WorkerNumbers(
            frames_in=int(values["flagpost_frames_arrived_total"]),
            outcomes=outcomes,
            open=int(values["flagpost_frames_open"]),
            messages=int(values["flagpost_messages_total"]),
            lag=int(values["flagpost_lag_messages"]),
            streams=int(values["flagpost_streams"]),
            is_ready=is_ready,
        )
    except KeyError as error:
        raise WorkerError(f"the worker's metrics lack {error}") from error
