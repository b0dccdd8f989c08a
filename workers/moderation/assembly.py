"""Puts a worker together from its settings: the one place where the stages meet.

`per-child`: each child decodes and infers, one single-threaded engine per core; on a CPU batching
buys nothing. `batched`: children decode into a frame pool and one engine takes batches across
streams, for a GPU. The stages around them do not know which.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from engines.bundle import Bundle, bundle_named
from engines.errors import EngineError
from engines.opening import open_engine
from engines.registry import bundle_from_channel
from workers.errors import ConfigurationRejected, QueueUnavailable
from workers.moderation.accounting import FrameAccount
from workers.moderation.admission import Admission
from workers.moderation.arena import Arena
from workers.moderation.batching import Batcher
from workers.moderation.cases import CaseDesk
from workers.moderation.child import ChildConfig
from workers.moderation.consume import Consumer
from workers.moderation.crew import Crew
from workers.moderation.deadletters import CircuitBreaker, DeadLetterPublisher
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


def run_worker(settings: ProcessSettings, stopping: threading.Event) -> None:
    """Runs a worker until `stopping` is set.

    Raises:
        Fatal: It cannot start or go on; the text says what mends it.
    """
    bundle = _bundle(settings.engine)
    metrics, account = Metrics(), FrameAccount()
    health = Health(("work", "consume"))
    server = HealthServer(
        settings.worker.metrics_host, settings.worker.metrics_port, metrics, health
    )
    metrics.registry.register(FrameAccountCollector(account.outcomes, lambda: account.arrived))
    server.start()
    arena = Arena(settings.worker.memory)
    pool = _frame_pool(settings, bundle)
    crew = _crew(settings, bundle, arena, pool)
    inference = _inference(settings, bundle, pool, crew) if pool is not None else None
    try:
        # Children load their engines while the brokers are reached.
        crew.start()
        worker, consumer, close = _worker(
            settings, bundle, arena, crew, metrics, health, account, inference, pool
        )
        crew.wait_ready(READY_LIMIT_S, stopping.is_set)
        logger.info("ready: %s", _summary(settings, bundle))
        health.obstruct("start", None)
        try:
            worker.run(consumer, stopping, settings.worker.drain_deadline.total_seconds())
        finally:
            close()
        _log_account(account)
    finally:
        if inference is not None:
            inference.close()
        crew.close()
        server.close()
        arena.close()


def _worker(
    settings: ProcessSettings,
    bundle: Bundle,
    arena: Arena,
    crew: Crew,
    metrics: Metrics,
    health: Health,
    account: FrameAccount,
    inference: BatchedInference | None,
    pool: FramePool | None,
) -> tuple[Worker, Consumer, Callable[[], None]]:
    """Worker, consumer, and what closes everything else."""
    queue = _queue(settings.redis)
    store = EvidenceStore(settings.evidence.url)
    store.check()
    writer = EvidenceWriter(store, crew.wake)
    reader = ReferenceReader(settings.worker.dataref_prefixes, settings.kafka.max_message_bytes)
    journal = FlagJournal(settings.worker.journal) if settings.worker.journal else None
    dead_letters = DeadLetterPublisher(settings.kafka)
    lanes = Lanes()
    looks = settings.worker.looks_per_second or bundle.card.input.looks_per_second
    worker: Worker
    consumer = Consumer(
        lambda: open_source(settings.kafka, settings.kafka.frames_topic, worker.drain),
        max(settings.worker.memory // 4, settings.kafka.max_message_bytes),
        crew.wake,
        health,
    )
    dispatcher = Dispatcher(
        arena,
        crew,
        reader,
        looks,
        lambda entry: consumer.free(entry.size_bytes),
        inference,
        pool,
    )
    pre_roll_s = settings.evidence.pre_roll.total_seconds()
    stages = Stages(
        arena=arena,
        crew=crew,
        lanes=lanes,
        admission=Admission(lanes, queue, arena.size_bytes),
        dispatcher=dispatcher,
        cases=CaseDesk(arena, crew, writer, reader, pre_roll_s, settings.evidence.pictures),
        publisher=Publisher(queue, journal, metrics, health),
        dead_letters=dead_letters,
        breaker=CircuitBreaker(settings.worker.max_consecutive_dead_letters),
    )
    identity = bundle.card.model
    policy = Policy(bundle.rule, identity.name, identity.version)
    worker = Worker(stages, policy, account, metrics, health)

    def close() -> None:
        stages.cases.close()
        dispatcher.close()
        writer.close()
        dead_letters.close()
        queue.close()
        if journal is not None:
            journal.close()

    return worker, consumer, close


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
