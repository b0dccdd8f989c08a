"""One run of `flagpost simulate`: pool, channels, topics and truth put together."""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.status import Status

from workers.frames_topic import FramePublisher
from workers.operations.cluster import require_topics
from workers.settings import KafkaSettings
from workers.simulate.broadcast import TICK_S, Broadcast, Tally
from workers.simulate.channel import Channel, takes_from
from workers.simulate.errors import PoolRejected
from workers.simulate.pool import FillSettings, Pool, PoolFiller
from workers.simulate.reels import reel_from_file
from workers.simulate.scenes import Split
from workers.simulate.truth_log import TruthLog

TAKES_TO_START: Final = 3


@dataclass(frozen=True, slots=True)
class LiveSettings:
    """What to play; see `flagpost simulate --help`."""

    streams: int
    duration_s: float | None
    truth: Path | None
    also: tuple[Path, ...]
    pool: Path
    pool_takes: int
    cpu_share: float
    split: Split
    size: tuple[int, int] | None
    fps: float
    flashes: bool
    segment_s: float
    fast: bool
    seed: int


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run played."""

    streams: int
    seconds: float
    segments: int
    media_bytes: int
    incidents: int
    ambiguous: int
    takes: int
    latest_s: float
    """By how much the latest segment missed its time."""
    stopped: bool
    """Someone asked it to stop before its time."""

    def as_json(self) -> str:
        return json.dumps(asdict(self))

    def as_sentence(self) -> str:
        return (
            f"{self.streams} streams of {self.seconds:.0f} s from {self.takes} takes: "
            f"{self.segments} segments ({self.media_bytes / 1e6:.1f} MB), "
            f"{self.incidents} incidents"
        )


def play_live(settings: LiveSettings, kafka: KafkaSettings, stopping: threading.Event) -> Summary:
    """Plays until the time is over or `stopping` is set, then ends every stream.

    Raises:
        BrokerUnavailable: Kafka does not answer.
        ConfigurationRejected: A topic is missing.
        PoolRejected: There are no takes to play.
        Fatal: The truth file cannot be written.
    """
    create = "flagpost topics create --truth"
    require_topics(kafka, {kafka.frames_topic: create, kafka.truth_topic: create})
    with ExitStack() as stack:
        frames = FramePublisher(kafka, kafka.frames_topic)
        stack.callback(frames.close)
        truth_topic = FramePublisher(kafka, kafka.truth_topic)
        stack.callback(truth_topic.close)
        truth = stack.enter_context(TruthLog(settings.truth, truth_topic))
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="flagpost-")))
        status = stack.enter_context(Status("starting", console=Console(stderr=True)))
        pool = Pool(settings.pool, settings.split, settings.size)
        grow = _filling(settings, pool, stack)
        _wait_for_takes(settings, pool, grow, status, stopping)
        if stopping.is_set():
            return _summary(settings, pool, Tally(), stopped=True)

        def between(tally: Tally) -> None:
            grow()
            status.update(_progress(settings, pool, tally))

        channels = _channels(settings, pool, scratch)
        broadcast = Broadcast(channels, frames, truth, fast=settings.fast, between=between)
        tally = broadcast.run(stopping, settings.duration_s)
        frames.flush()
        truth_topic.flush()
        return _summary(settings, pool, tally, stopped=stopping.is_set())


def _filling(settings: LiveSettings, pool: Pool, stack: ExitStack) -> Callable[[], bool]:
    """Starts rendering where takes are missing; what it returns keeps it going while True."""
    if pool.refresh() >= settings.pool_takes:
        return lambda: False
    fill = FillSettings(
        takes=settings.pool_takes,
        split=settings.split,
        seed=settings.seed,
        fps=settings.fps,
        size=settings.size,
        flashes=settings.flashes,
        cpu_share=settings.cpu_share,
    )
    filler = stack.enter_context(PoolFiller(settings.pool, fill))

    def grow() -> bool:
        filler.poll()
        growing = not filler.done
        pool.refresh()
        return growing

    return grow


def _wait_for_takes(
    settings: LiveSettings,
    pool: Pool,
    grow: Callable[[], bool],
    status: Status,
    stopping: threading.Event,
) -> None:
    wanted = min(TAKES_TO_START, settings.pool_takes) or 1
    while not stopping.is_set():
        growing = grow()
        if len(pool.reels) >= wanted or (pool.reels and not growing):
            return
        if not growing:
            raise PoolRejected(
                f"--pool {settings.pool}: has no take of split {settings.split} and of this size; "
                "give another --pool, or a higher --pool-takes"
            )
        status.update(f"rendering the first takes: {len(pool.reels)} of {wanted}")
        stopping.wait(TICK_S)


def _channels(settings: LiveSettings, pool: Pool, scratch: Path) -> list[Channel]:
    lead_s = settings.duration_s if settings.fast and settings.duration_s else 0.0
    # In fast mode streams lie in the past, so that no capture time lies in the future.
    begun = datetime.now(UTC) - timedelta(seconds=lead_s)
    count = settings.streams + len(settings.also)
    starts = [begun + timedelta(seconds=index / count) for index in range(count)]
    channels = [
        Channel(
            stream_id=f"sim-{index:03d}",
            started_at=starts[index],
            next_reel=takes_from(lambda: pool.reels, settings.seed * 10_007 + index),
            segment_s=settings.segment_s,
        )
        for index in range(settings.streams)
    ]
    for index, path in enumerate(settings.also):
        reel = reel_from_file(path, scratch)
        channels.append(
            Channel(
                stream_id=f"file-{index:03d}",
                started_at=starts[settings.streams + index],
                next_reel=lambda reel=reel: reel,  # type: ignore[misc]
                segment_s=settings.segment_s,
                title=path.name[:500],
            )
        )
    return channels


def _progress(settings: LiveSettings, pool: Pool, tally: Tally) -> str:
    minutes, seconds = divmod(int(tally.played_s), 60)
    return (
        f"{settings.streams + len(settings.also)} streams, {minutes}:{seconds:02d}, "
        f"{tally.segments} segments, {tally.incidents} incidents, {len(pool.reels)} takes"
    )


def _summary(settings: LiveSettings, pool: Pool, tally: Tally, *, stopped: bool) -> Summary:
    return Summary(
        streams=settings.streams + len(settings.also),
        seconds=round(tally.played_s, 3),
        segments=tally.segments,
        media_bytes=tally.media_bytes,
        incidents=tally.incidents,
        ambiguous=tally.ambiguous,
        takes=len(pool.reels),
        latest_s=round(tally.latest_s, 3),
        stopped=stopped,
    )
