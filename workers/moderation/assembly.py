"""Puts a worker together from its settings: the one place where the stages meet.

`per-child`: each child decodes and infers, one single-threaded engine per core; on a CPU batching
buys nothing. `batched`: children decode into a frame pool and one engine takes batches across
streams, for a GPU. The stages around them do not know which.
"""

from __future__ import annotations

import logging
import os
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from engines.bundle import Bundle, bundle_named
from engines.errors import EngineError
from engines.opening import open_engine
from engines.registry import bundle_from_channel
from workers.errors import ConfigurationRejected, QueueUnavailable
from workers.heap import keep_freed_memory
from workers.moderation.accounting import FrameAccount
from workers.moderation.admission import Admission
from workers.moderation.arena import Arena
from workers.moderation.batching import Batcher
from workers.moderation.cases import CaseDesk
from workers.moderation.child import ChildConfig
from workers.moderation.consume import Consumer
from workers.moderation.crew import Crew
from workers.moderation.deadletters import CircuitBreaker, DeadLetterPublisher, Refusals
from workers.moderation.dispatch import Dispatcher
from workers.moderation.evidence import EvidenceStore, EvidenceWriter
from workers.moderation.incidents import Policy
from workers.moderation.inference import ROWS_PER_MESSAGE, BatchedInference, FramePool
from workers.moderation.lanes import Lanes
from workers.moderation.publish import Publisher
from workers.moderation.references import ReferenceReader
from workers.moderation.source import open_source
from workers.moderation.worker import Stages, Worker
from workers.review.intake import ReviewIntake
from workers.review.journal import FlagJournal
from workers.settings import (
    EngineSettings,
    EvidenceSettings,
    KafkaSettings,
    RedisSettings,
    WorkerSettings,
)
from workers.telemetry import FrameAccountCollector, Health, HealthServer, Metrics

logger = logging.getLogger(__name__)

CHILD_MEMORY_BYTES: Final = 6 << 30
"""Address space of a child: an engine maps far more than it uses."""
READY_LIMIT_S: Final = 90.0


@dataclass(frozen=True, slots=True)
class ProcessSettings:
    """Everything a worker process reads at its start."""

    kafka: KafkaSettings
    redis: RedisSettings
    evidence: EvidenceSettings
    engine: EngineSettings
    worker: WorkerSettings


@dataclass(frozen=True, slots=True)
class Media:
    """The side of a worker that touches media; with an engine of its own where it batches."""

    arena: Arena
    crew: Crew
    inference: BatchedInference | None = None
    pool: FramePool | None = None


@dataclass(frozen=True, slots=True)
class Watch:
    """What a worker tells of itself."""

    account: FrameAccount
    metrics: Metrics
    health: Health


def run_worker(settings: ProcessSettings, stopping: threading.Event) -> None:
    """Runs a worker until `stopping` is set.

    Raises:
        WorkerError: It cannot start or go on; the text says what mends it.
    """
    keep_freed_memory()
    bundle = _bundle(settings.engine)
    account = FrameAccount()
    health = Health(("work", "consume"))
    with ExitStack() as stack:
        metrics = _served_metrics(settings.worker, account, health, stack)
        # Children load their engines while the brokers are reached.
        media = _media(settings, bundle, stack)
        worker, consumer = _worker(settings, bundle, media, Watch(account, metrics, health), stack)
        media.crew.wait_ready(READY_LIMIT_S, stopping.is_set)
        logger.info("ready: %s", _summary(settings, bundle))
        health.obstruct("start", None)
        worker.run(consumer, stopping, settings.worker.drain_deadline.total_seconds())
        _log_account(account)


def _served_metrics(
    settings: WorkerSettings, account: FrameAccount, health: Health, stack: ExitStack
) -> Metrics:
    metrics = Metrics()
    metrics.registry.register(FrameAccountCollector(account.outcomes, lambda: account.arrived))
    server = HealthServer(settings.metrics_host, settings.metrics_port, metrics, health)
    server.start()
    stack.callback(server.close)
    return metrics


def _media(settings: ProcessSettings, bundle: Bundle, stack: ExitStack) -> Media:
    """Arena, children and, in the batched composition, the engine; started."""
    arena = Arena(settings.worker.memory)
    stack.callback(arena.close)
    pool = _frame_pool(settings, bundle)
    crew = _crew(settings, bundle, arena, pool)
    stack.callback(crew.close)
    crew.start()
    if pool is None:
        return Media(arena, crew)
    inference = _inference(settings, bundle, pool, crew)
    stack.callback(inference.close)
    return Media(arena, crew, inference, pool)


def _worker(
    settings: ProcessSettings, bundle: Bundle, media: Media, watch: Watch, stack: ExitStack
) -> tuple[Worker, Consumer]:
    queue = _queue(settings.redis)
    stack.callback(queue.close)
    worker: Worker
    consumer = Consumer(
        lambda: open_source(settings.kafka, settings.kafka.frames_topic, worker.drain),
        max(settings.worker.memory // 4, settings.kafka.max_message_bytes),
        media.crew.wake,
        watch.health,
    )
    stages = _stages(settings, bundle, media, watch, queue, consumer, stack)
    identity = bundle.card.model
    policy = Policy(bundle.rule, identity.name, identity.version)
    worker = Worker(stages, policy, watch.account, watch.metrics, watch.health)
    return worker, consumer


def _stages(
    settings: ProcessSettings,
    bundle: Bundle,
    media: Media,
    watch: Watch,
    queue: ReviewIntake,
    consumer: Consumer,
    stack: ExitStack,
) -> Stages:
    reader = ReferenceReader(settings.worker.dataref_prefixes, settings.kafka.max_message_bytes)
    dead_letters = DeadLetterPublisher(settings.kafka)
    stack.callback(dead_letters.close)
    lanes = Lanes()
    dispatcher = Dispatcher(
        media.arena,
        media.crew,
        reader,
        settings.worker.looks_per_second or bundle.card.input.looks_per_second,
        lambda entry: consumer.free(entry.size_bytes),
        media.inference,
        media.pool,
    )
    stack.callback(dispatcher.close)
    return Stages(
        arena=media.arena,
        crew=media.crew,
        lanes=lanes,
        admission=Admission(lanes, queue, media.arena.size_bytes),
        dispatcher=dispatcher,
        cases=_case_desk(settings.evidence, media, reader, stack),
        publisher=Publisher(queue, _journal(settings, stack), watch.metrics, watch.health),
        refusals=Refusals(dead_letters, media.arena),
        breaker=CircuitBreaker(settings.worker.max_consecutive_dead_letters),
    )


def _case_desk(
    settings: EvidenceSettings, media: Media, reader: ReferenceReader, stack: ExitStack
) -> CaseDesk:
    store = EvidenceStore(settings.url)
    store.check()
    writer = EvidenceWriter(store, media.crew.wake)
    stack.callback(writer.close)
    pre_roll_s = settings.pre_roll.total_seconds()
    desk = CaseDesk(media.arena, media.crew, writer, reader, pre_roll_s, settings.pictures)
    stack.callback(desk.close)
    return desk


def _journal(settings: ProcessSettings, stack: ExitStack) -> FlagJournal | None:
    if settings.worker.journal is None:
        return None
    journal = FlagJournal(settings.worker.journal)
    stack.callback(journal.close)
    return journal


def _frame_pool(settings: ProcessSettings, bundle: Bundle) -> FramePool | None:
    if settings.worker.composition == "per-child":
        return None
    # Two batches in the making for each child's two messages.
    rows = ROWS_PER_MESSAGE * 2 * (_children(settings.worker) + settings.worker.max_batch)
    return FramePool(rows, bundle.card.input.width, bundle.card.input.height)


def _inference(
    settings: ProcessSettings, bundle: Bundle, pool: FramePool, crew: Crew
) -> BatchedInference:
    wanted, worker = settings.engine, settings.worker
    try:
        engine = open_engine(
            bundle,
            wanted.backend,
            wanted.precision,
            wanted.device,
            max_batch=worker.max_batch,
            threads=_children(worker),
        )
    except EngineError as error:
        raise ConfigurationRejected(str(error)) from error
    deadline_s = worker.batch_deadline.total_seconds()
    batcher = Batcher(worker.max_batch, deadline_s, worker.max_per_stream_in_batch)
    inference = BatchedInference(engine, pool, batcher, crew.wake)
    inference.start()
    return inference


def _children(settings: WorkerSettings) -> int:
    return settings.children or len(os.sched_getaffinity(0))


def _crew(settings: ProcessSettings, bundle: Bundle, arena: Arena, pool: FramePool | None) -> Crew:
    limit_s = settings.worker.segment_time_limit.total_seconds()
    config = ChildConfig(
        arena_fd=arena.fd,
        arena_bytes=arena.size_bytes,
        socket_fd=-1,
        bundle=None if pool is not None else str(bundle.directory.resolve()),
        backend=settings.engine.backend,
        precision=settings.engine.precision,
        device=settings.engine.device,
        rows_fd=-1 if pool is None else pool.fd,
        rows=0 if pool is None else pool.rows,
        width=bundle.card.input.width,
        height=bundle.card.input.height,
        max_pixels=settings.worker.max_pixels,
        time_limit_s=limit_s,
        memory_bytes=CHILD_MEMORY_BYTES,
    )
    return Crew(_children(settings.worker), config, limit_s)


def _bundle(settings: EngineSettings) -> Bundle:
    try:
        if "#" in settings.bundle:
            return bundle_from_channel(settings.bundle, settings.cache)
        return bundle_named(settings.bundle)
    except EngineError as error:
        raise ConfigurationRejected(f"FLAGPOST_ENGINE_BUNDLE: {error}") from error


def _queue(settings: RedisSettings) -> ReviewIntake:
    queue = ReviewIntake(settings)
    try:
        for warning in queue.check_server():
            logger.warning("%s", warning)
    except QueueUnavailable as error:
        raise ConfigurationRejected(f"{error}; check FLAGPOST_REDIS_URL") from error
    return queue


def _summary(settings: ProcessSettings, bundle: Bundle) -> str:
    model, engine = bundle.card.model, settings.engine
    return (
        f"{model.name} {model.version} on {engine.backend} {engine.precision} {engine.device}, "
        f"topic {settings.kafka.frames_topic}, queue {settings.redis.queue}"
    )


def _log_account(account: FrameAccount) -> None:
    counted = ", ".join(f"{name} {count}" for name, count in account.outcomes().items() if count)
    logger.info("frames: %d in, %s, %d open", account.arrived, counted or "none out", account.open)
