"""A real Apache Kafka as a child process on loopback, from any Kafka's own directory.

KRaft, broker and controller in one JVM: for the demo and for tests, never for production.
"""

from __future__ import annotations

import shutil
import subprocess
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Final

from workers.brokers import Process, free_port
from workers.errors import Fatal

HEAP: Final = "512m"
FORMAT_LIMIT_S: Final = 60.0
_LOGGING: Final = ("log4j2.properties", "config/log4j2.yaml")
_SETTINGS: Final = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "auto.create.topics.enable": "false",
    "default.replication.factor": "1",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "3",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "log.cleaner.dedupe.buffer.size": str(4 << 20),
}


class ApacheKafka(Process):
    """One broker; comes back at its address with its data when it is started again.

    Args:
        directory: Data, settings and log.
        home: What `kafka_home` found.
        properties: `name=value`, over the settings above.
    """

    def __init__(self, directory: Path, home: Path, *properties: str) -> None:
        super().__init__("Apache Kafka", directory)
        self._home = home
        controller = free_port()
        self._settings = _SETTINGS | {
            "listeners": f"PLAINTEXT://{self.address},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.address}",
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "log.dirs": str(directory / "data"),
        }
        self._settings |= dict(line.split("=", 1) for line in properties)

    def start(self) -> None:
        """Formats the directory where it is new, then starts; raises Fatal where it does not."""
        self.directory.mkdir(parents=True, exist_ok=True)
        lines = [f"{name}={value}\n" for name, value in self._settings.items()]
        self._file.write_text("".join(lines))
        if not (self.directory / "data" / "meta.properties").exists():
            self._format()
        super().start()

    def command(self) -> list[str]:
        return self._java("kafka.Kafka", str(self._file))

    @property
    def _file(self) -> Path:
        return self.directory / "server.properties"

    def _format(self) -> None:
        cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        arguments = ("kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(self._file))
        done = subprocess.run(
            self._java(*arguments), capture_output=True, text=True, timeout=FORMAT_LIMIT_S
        )
        if done.returncode:
            raise Fatal(f"{self.name}: cannot format {self.directory}: {done.stderr[:500]}")

    def _java(self, *arguments: str) -> list[str]:
        logging = next((p for name in _LOGGING if (p := self._home / name).is_file()), None)
        return [
            "java", f"-Xmx{HEAP}", "-Xms64m", "-XX:+UseSerialGC",
            f"-Dkafka.logs.dir={self.directory}",
            *([f"-Dlog4j2.configurationFile={logging}"] if logging else []),
            "-cp", str(self._home / "libs" / "*"), *arguments,
        ]  # fmt: skip


def kafka_home(directory: Path | None) -> Path | None:
    """A Kafka's directory with its `libs/`: the given one, or `shared/kafka` beside the project.

    None without such a directory, or without Java.
    """
    beside = Path(__file__).resolve().parents[2] / "shared" / "kafka"
    for place in (directory, beside):
        if place is not None and any((place / "libs").glob("kafka_2*.jar")):
            return place.resolve() if shutil.which("java") else None
    return None
