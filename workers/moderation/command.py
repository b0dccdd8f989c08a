"""`flagpost worker`: moderates the streams of a topic."""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path

import click
from pydantic_settings import BaseSettings

from workers.lifecycle import stop_on_signals
from workers.logs import configure_logging
from workers.moderation.assembly import ProcessSettings, run_worker
from workers.redaction import redacted
from workers.settings import (
    EngineSettings,
    EvidenceSettings,
    KafkaSettings,
    RedisSettings,
    WorkerSettings,
    read_settings,
    strange_environment,
)

logger = logging.getLogger(__name__)

EXAMPLE = """\b
Example:
  FLAGPOST_KAFKA_BOOTSTRAP=kafka:9092 FLAGPOST_REDIS_URL=redis://redis:6379/0 flagpost worker
  flagpost worker --config /etc/flagpost.env --show-config

Exit codes: 0 drained and stopped, 1 failed, 3 configuration.
"""


@click.command(epilog=EXAMPLE)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="File of NAME=value lines; the environment wins.",
)
@click.option("--show-config", is_flag=True, help="Print the settings, secrets masked, and end.")
def worker(config: Path | None, show_config: bool) -> None:
    """Moderate the streams of a topic: frames in from Kafka, flags out to Redis.

    Settings come from the environment (FLAGPOST_...) or one file.
    """
    settings = ProcessSettings(
        kafka=read_settings(KafkaSettings, config),
        redis=read_settings(RedisSettings, config),
        evidence=read_settings(EvidenceSettings, config),
        engine=read_settings(EngineSettings, config),
        worker=read_settings(WorkerSettings, config),
    )
    if show_config:
        click.echo(json.dumps(_shown(settings), indent=2))
        return
    configure_logging(settings.worker.log_level, settings.worker.log_format)
    for text in strange_environment():
        logger.warning("environment: %s", text)
    stopping = threading.Event()
    stop_on_signals(stopping)
    run_worker(settings, stopping)


def _shown(settings: ProcessSettings) -> dict[str, object]:
    groups: tuple[BaseSettings, ...] = (
        settings.kafka,
        settings.redis,
        settings.evidence,
        settings.engine,
        settings.worker,
    )
    shown: dict[str, object] = {}
    for group in groups:
        prefix = str(group.model_config["env_prefix"])
        for name, value in group.model_dump(mode="json").items():
            shown[prefix + name.upper()] = _masked(value)
    return shown


def _masked(value: object) -> object:
    """An address may hold credentials, too: of an object store, of a registry `URL#channel`."""
    if isinstance(value, list):
        return [_masked(one) for one in value]
    if not isinstance(value, str):
        return value
    place, mark, channel = value.partition("#")
    return redacted(place) + mark + channel
