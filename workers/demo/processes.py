"""The demo's processes: brokers, one worker and one simulator, all below one directory.

They share nothing with the demo but addresses, and end by process id.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from workers.apache_kafka import ApacheKafka, kafka_home
from workers.brokers import (
    RedisServer,
    TansuBroker,
    free_port,
)
from workers.errors import ConfigurationRejected
from workers.settings import KafkaSettings, RedisSettings

STOP_LIMIT_S: Final = 20.0
CONSOLE_PORT: Final = 8480
SESSION: Final = "PT6S"
"""The embedded broker lets a first member in after half of it."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where the demo's servers listen and keep their things."""

    directory: Path
    kafka: KafkaSettings
    redis: RedisSettings
    metrics_port: int
    console_port: int

    @property
    def console(self) -> Path:
        """State of the review console: its secret and its audit log."""
        return self.directory / "console"

    @property
    def evidence(self) -> Path:
        return self.directory / "evidence"

    @property
    def truth(self) -> Path:
        return self.directory / "truth.jsonl"

    def environment(self) -> dict[str, str]:
        """What the worker, the simulator and the console are told."""
        inherited = dict(os.environ)
        # The demo's console is reached at its own address, whatever another one's is.
        inherited.pop("FLAGPOST_CONSOLE_PUBLIC_URL", None)
        return inherited | {
            "FLAGPOST_KAFKA_BOOTSTRAP": self.kafka.bootstrap,
            "FLAGPOST_KAFKA_SESSION_TIMEOUT": SESSION,
            "FLAGPOST_REDIS_URL": self.redis.url.get_secret_value(),
            "FLAGPOST_EVIDENCE_URL": str(self.evidence),
            "FLAGPOST_WORKER_METRICS_PORT": str(self.metrics_port),
            "FLAGPOST_WORKER_JOURNAL": str(self.directory / "flags.jsonl"),
            "FLAGPOST_CONSOLE_HOST": "127.0.0.1",
            "FLAGPOST_CONSOLE_PORT": str(self.console_port),
            "FLAGPOST_CONSOLE_STATE": str(self.console),
            "FLAGPOST_CONSOLE_SIGN_IN": "link",
        }


@contextlib.contextmanager
def brokers(directory: Path, kind: str) -> Iterator[Places]:
    """Starts Kafka and Redis; stops both at the end.

    Args:
        directory: Temporary data goes here.
        kind: `embedded` (in memory, from a wheel) or `kafka` (a real Apache Kafka).

    Raises:
        ConfigurationRejected: The broker asked for is not on this machine.
    """
    redis = RedisServer(directory / "redis")
    redis.start()
    try:
        kafka = _kafka(directory / "kafka", kind)
        kafka.start()
        try:
            yield Places(
                directory,
                KafkaSettings(bootstrap=kafka.address),
                RedisSettings(url=SecretStr(redis.url)),
                free_port(),
                _console_port(),
            )
        finally:
            kafka.stop()
    finally:
        redis.stop()


def _console_port() -> int:
    """The console's usual port, or a free one where somebody has it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", CONSOLE_PORT))
        except OSError:
            return free_port()
    return CONSOLE_PORT


def _kafka(directory: Path, kind: str) -> TansuBroker | ApacheKafka:
    if kind == "embedded":
        return TansuBroker(directory)
    home = os.environ.get("KAFKA_HOME")
    found = kafka_home(Path(home) if home else None)
    if found is None:
        raise ConfigurationRejected(
            "--broker kafka: no Apache Kafka found; set KAFKA_HOME to the directory of one (it "
            "holds bin/ and libs/), and install Java 17"
        )
    return ApacheKafka(directory, found)


class Command:
    """One `flagpost` command in a process of its own, its log in a file."""

    def __init__(self, name: str, arguments: Sequence[str], places: Places) -> None:
        self.name = name
        self.log = places.directory / f"{name}.log"
        self.output = places.directory / f"{name}.out"
        with open(self.output, "wb") as out, open(self.log, "wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "workers.cli", *arguments],
                env=places.environment(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
                # Ctrl-C is for the demo, which ends the others in order.
                start_new_session=True,
            )

    @property
    def exit_code(self) -> int | None:
        return self._process.poll()

    @property
    def last_words(self) -> str:
        """The end of its log, for people who ask why it ended."""
        return self.log.read_text(errors="replace")[-800:].strip()

    def ask_to_stop(self) -> None:
        if self.exit_code is None:
            self._process.send_signal(signal.SIGTERM)

    def stop(self) -> int:
        """SIGTERM, a drain, and SIGKILL for one that does not end; returns the exit code."""
        self.ask_to_stop()
        try:
            return self._process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()
