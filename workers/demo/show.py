"""One run of the demo, from starting the brokers to the summary."""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from kafka import KafkaAdminClient

from workers.demo.observer import Observer, WorkerNumbers
from workers.demo.processes import Command, Places, brokers
from workers.demo.reviewing import ReviewConsole
from workers.demo.scoreboard import SeenFlag
from workers.demo.view import Moment
from workers.errors import Fatal

PARTITIONS: Final = 4
REFRESH_S: Final = 0.5
DRAIN_LIMIT_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """What to show.

    Attributes:
        streams: Simulated streams; with `source`, none.
        duration_s: Seconds of streams; None until stopped.
        broker: `embedded` or `kafka`.
        source: The user's own videos in place of the simulator.
        pool: Rendered play, kept for the next run.
    """

    streams: int
    duration_s: float | None
    broker: str
    source: tuple[Path, ...]
    pool: Path


@dataclass(slots=True)
class _Progress:
    """What is measured on the way."""

    started_s: float = field(default_factory=time.monotonic)
    streams_began_s: float | None = None
    first_flag_s: float | None = None
    scored: int = 0
    looked_s: float = 0.0
    frames_per_second: float = 0.0

    def look(self, worker: WorkerNumbers, flags: list[SeenFlag]) -> None:
        now_s = time.monotonic()
        if worker.frames_in and self.streams_began_s is None:
            self.streams_began_s = now_s
        if flags and self.first_flag_s is None:
            self.first_flag_s = now_s - self.started_s
        scored = worker.outcomes.get("scored", 0)
        if self.looked_s and scored >= self.scored:
            rate = (scored - self.scored) / (now_s - self.looked_s)
            self.frames_per_second += 0.3 * (rate - self.frames_per_second)
        self.scored, self.looked_s = scored, now_s


def run_demo(
    settings: DemoSettings, show: Callable[[Moment], None], stopping: threading.Event
) -> dict[str, Any]:
    """Runs the demo until its time is over or `stopping` is set; returns the summary.

    Raises:
        Fatal: A part did not start or ended on its own; says which and why.
    """
    progress = _Progress()
    with (
        tempfile.TemporaryDirectory(prefix="flagpost-demo-") as temporary,
        brokers(Path(temporary), settings.broker) as places,
    ):
        _create_topics(places)
        worker = Command("worker", ["worker"], places)
        streams = Command("streams", _streams_command(settings, places), places)
        console = ReviewConsole(places)
        observer = Observer(places.redis, places.metrics_port, places.truth)
        try:
            _watch(settings, places, worker, streams, console, observer, progress, show, stopping)
            streams_code = streams.stop()
            _drain(observer, worker)
            summary = _summary(settings, observer, progress, streams, streams_code)
            return summary | {"console": console.address}
        finally:
            streams.stop()
            console.stop()
            worker.stop()
            observer.close()


def _create_topics(places: Places) -> None:
    kafka = places.kafka
    limit = {"max.message.bytes": str(kafka.max_message_bytes)}
    with KafkaAdminClient(bootstrap_servers=kafka.bootstrap) as admin:
        admin.create_topics(
            {
                name: {"num_partitions": PARTITIONS, "replication_factor": 1, "configs": limit}
                for name in (kafka.frames_topic, kafka.dead_letters_topic, kafka.truth_topic)
            }
        )


def _streams_command(settings: DemoSettings, places: Places) -> list[str]:
    if settings.source:
        return ["ingest", "--realtime", "--json", *map(str, settings.source)]
    duration = ["--duration", str(settings.duration_s)] if settings.duration_s else []
    return [
        "simulate", "--streams", str(settings.streams), "--truth", str(places.truth),
        "--pool", str(settings.pool), "--json", *duration,
    ]  # fmt: skip


def _watch(
    settings: DemoSettings,
    places: Places,
    worker: Command,
    streams: Command,
    console: ReviewConsole,
    observer: Observer,
    progress: _Progress,
    show: Callable[[Moment], None],
    stopping: threading.Event,
) -> None:
    while not stopping.wait(REFRESH_S):
        for part in (worker, streams, console.process):
            if part.exit_code not in (None, 0):
                raise Fatal(f"the demo's {part.name} ended: {part.last_words}")
        numbers, flags = observer.worker(), observer.flags()
        progress.look(numbers, flags)
        show(
            Moment(
                stage=_stage(numbers),
                elapsed_s=time.monotonic() - progress.started_s,
                duration_s=settings.duration_s,
                streams=settings.streams,
                frames_per_second=progress.frames_per_second,
                worker=numbers,
                flags=flags,
                decided=observer.decided(),
                score=None if settings.source else observer.score(),
                evidence=str(places.evidence),
                sign_in=console.sign_in(),
            )
        )
        if streams.exit_code == 0:
            return


def _stage(worker: WorkerNumbers) -> str:
    if not worker.is_ready:
        return "the worker loads its engine"
    return "live" if worker.frames_in else "the first play is being rendered"


def _drain(observer: Observer, worker: Command) -> None:
    """Waits until the worker has settled everything that was published."""
    deadline_s = time.monotonic() + DRAIN_LIMIT_S
    while time.monotonic() < deadline_s and worker.exit_code is None:
        numbers = observer.worker()
        if not numbers.lag and not numbers.open and numbers.messages:
            before = numbers.messages
            time.sleep(REFRESH_S * 3)  # lag is measured once a second
            numbers = observer.worker()
            if numbers.messages == before and not numbers.lag and not numbers.open:
                return
        time.sleep(REFRESH_S)


def _summary(
    settings: DemoSettings,
    observer: Observer,
    progress: _Progress,
    streams: Command,
    streams_code: int,
) -> dict[str, Any]:
    numbers, flags = observer.worker(), observer.flags()
    played = _last_json(streams.output)
    seconds = float(played.get("seconds") or time.monotonic() - progress.started_s)
    summary: dict[str, Any] = {
        "streams": played.get("streams", settings.streams),
        "seconds": round(seconds, 1),
        "first_flag_s": _rounded(progress.first_flag_s),
        "flags": len(flags),
        "decided": observer.decided(),
        "frames": {"in": numbers.frames_in, **numbers.outcomes},
        "messages": {"published": played.get("segments"), "taken": numbers.messages},
        "accounted": numbers.is_accounted,
        "streams_exit_code": streams_code,
    }
    if settings.source:
        return summary
    found = observer.score(datetime.now(UTC))
    stream_hours = settings.streams * seconds / 3600
    return summary | {
        "incidents": found.incidents,
        "flagged": found.flagged,
        "recall": _rounded(found.recall, 3),
        "false_flags": found.false_flags,
        "false_per_stream_hour": _rounded(found.false_flags / stream_hours, 2),
        "median_delay_s": _rounded(found.median_delay_s, 2),
    }


def _last_json(file: Path) -> dict[str, Any]:
    for line in reversed(file.read_text().splitlines()):
        if line.startswith("{"):
            found: dict[str, Any] = json.loads(line)
            return found
    return {}


def _rounded(value: float | None, digits: int = 1) -> float | None:
    return None if value is None else round(value, digits)
