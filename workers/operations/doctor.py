"""`flagpost doctor`: what is here, what is missing or would lose data, and what mends it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console

from workers.errors import BrokerUnavailable, ConfigurationRejected, QueueUnavailable
from workers.operations.cluster import Cluster
from workers.operations.findings import Finding, Standing, exit_code, show
from workers.operations.machine import machine_findings
from workers.operations.topics import topic_findings, topic_plans
from workers.review.scripts import connect, mapped_errors
from workers.settings import (
    EngineSettings,
    EvidenceSettings,
    KafkaSettings,
    RedisSettings,
    read_settings,
    strange_environment,
)

EXAMPLE = """\b
Examples:
  flagpost doctor
  FLAGPOST_KAFKA_BOOTSTRAP=kafka:9092 flagpost doctor --json

Exit codes: 0 all good, 1 something would lose data or keep a worker from starting,
3 something does not answer.
"""
OLDEST_REDIS: Final = (6, 2)
OLDEST_KAFKA: Final = (2, 1)
FULL: Final = 0.8
"""Part of Redis' memory limit beyond which a note is due."""


@click.command(epilog=EXAMPLE)
@click.option("--config", type=click.Path(path_type=Path), help="The worker's settings file.")
@click.option("--json", "wants_json", is_flag=True, help="One JSON object a line.")
def doctor(config: Path | None, wants_json: bool) -> None:
    """Say what is here, what is missing and what mends it.

    Looks at Kafka and its topics, Redis, the evidence store, the engine and its model, decoders,
    disk and limits, with the same settings as a worker. Changes nothing.
    """
    kafka = read_settings(KafkaSettings, config)
    redis = read_settings(RedisSettings, config)
    engine = read_settings(EngineSettings, config)
    evidence = read_settings(EvidenceSettings, config)
    checks: tuple[tuple[str, Callable[[], list[Finding]]], ...] = (
        ("settings", setting_findings),
        ("Kafka", lambda: kafka_findings(kafka)),
        ("Redis", lambda: redis_findings(redis)),
        ("this machine", lambda: machine_findings(engine, evidence)),
    )
    findings: list[Finding] = []
    console = Console(stderr=True)
    for name, check in checks:
        with console.status(f"looking at {name}"):
            findings += check()
    show(findings, wants_json)
    raise SystemExit(exit_code(findings))


def setting_findings() -> list[Finding]:
    """Names in the environment that no process reads: most often a slip of the pen."""
    mend = "correct or remove it"
    return [Finding("settings", Standing.NOTE, text, mend) for text in strange_environment()]


def kafka_findings(settings: KafkaSettings) -> list[Finding]:
    """Whether the brokers answer, and how the topics are."""
    subject = f"Kafka {settings.bootstrap}"
    try:
        with Cluster(settings) as cluster:
            brokers = cluster.brokers()
            text = f"speaks {cluster.version}, {brokers} brokers"
            standing, mend = Standing.GOOD, ""
            if tuple(map(int, cluster.version.split("."))) < OLDEST_KAFKA:
                standing, mend = Standing.WRONG, "use Kafka 2.1 or newer"
            findings = [Finding(subject, standing, text, mend)]
            return findings + topic_findings(cluster, topic_plans(settings), brokers)
    except (BrokerUnavailable, ConfigurationRejected) as error:
        mend = "start the broker, or set FLAGPOST_KAFKA_BOOTSTRAP"
        return [Finding(subject, Standing.UNREACHABLE, str(error), mend)]


def redis_findings(settings: RedisSettings) -> list[Finding]:
    """Whether Redis answers, and whether it would keep every flag."""
    try:
        with connect(settings) as client, mapped_errors():
            facts: dict[str, Any] = client.info()
    except ConfigurationRejected as error:
        mend = "set FLAGPOST_REDIS_URL=redis://user:password@host:port/0"
        return [Finding("Redis", Standing.UNREACHABLE, str(error), mend)]
    except QueueUnavailable as error:
        mend = "start redis-server, or set FLAGPOST_REDIS_URL"
        return [Finding("Redis", Standing.UNREACHABLE, str(error), mend)]
    return list(_judged(facts, settings.min_replicas))


def _judged(facts: dict[str, Any], min_replicas: int) -> Iterator[Finding]:
    yield _version(str(facts["redis_version"]))
    policy = facts["maxmemory_policy"]
    if policy == "noeviction":
        yield Finding("Redis eviction", Standing.GOOD, policy)
    else:
        fact = f"{policy}, expected noeviction: waiting flags would vanish"
        mend = "redis-cli config set maxmemory-policy noeviction"
        yield Finding("Redis eviction", Standing.WRONG, fact, mend)
    if facts["aof_enabled"]:
        yield _append_only_file(str(facts["aof_last_write_status"]))
    else:
        fact = "no append-only file: a restart loses flags"
        yield Finding(
            "Redis persistence", Standing.WRONG, fact, "redis-cli config set appendonly yes"
        )
    yield _memory(int(facts["used_memory"]), int(facts["maxmemory"]))
    replicas = int(facts.get("connected_slaves", 0))
    if replicas < min_replicas:
        fact = (
            f"{replicas} connected, FLAGPOST_REDIS_MIN_REPLICAS is {min_replicas}: no flag passes"
        )
        mend = "start them, or lower FLAGPOST_REDIS_MIN_REPLICAS"
        yield Finding("Redis replicas", Standing.WRONG, fact, mend)


def _version(version: str) -> Finding:
    if tuple(int(part) for part in version.split(".")[:2]) >= OLDEST_REDIS:
        return Finding("Redis version", Standing.GOOD, version)
    return Finding(
        "Redis version", Standing.WRONG, f"{version}, expected 6.2 or newer", "upgrade Redis"
    )


def _append_only_file(last_write: str) -> Finding:
    if last_write == "ok":
        return Finding("Redis persistence", Standing.GOOD, "append-only file")
    fact = f"the last write to the append-only file failed ({last_write})"
    return Finding("Redis persistence", Standing.WRONG, fact, "make room on Redis' disk")


def _memory(used: int, limit: int) -> Finding:
    if not limit:
        fact = f"{used >> 20} MiB used, no limit: the system may kill Redis when memory ends"
        return Finding("Redis memory", Standing.NOTE, fact, "redis-cli config set maxmemory 1gb")
    fact = f"{used >> 20} of {limit >> 20} MiB used"
    if used < FULL * limit:
        return Finding("Redis memory", Standing.GOOD, fact)
    mend = "raise maxmemory, or let reviewers work the queue off"
    return Finding("Redis memory", Standing.NOTE, f"{fact}: workers wait when it is full", mend)
