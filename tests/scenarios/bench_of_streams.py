"""A worker as a real process with real brokers, and streams whose flags are known beforehand."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from schemas.flags import Flag
from schemas.frames import ContentType, EventType, FrameMessage
from tests import media
from tests.servers import create_topics, kafka_settings
from workers.brokers import RedisServer, free_port
from workers.frames_topic import FramePublisher
from workers.review.desk import ReviewDesk
from workers.settings import RedisSettings

START = datetime(2026, 1, 1, tzinfo=UTC)


@cache
def second(is_red: bool) -> bytes:
    colour = media.RED if is_red else media.CALM
    return media.segment((colour,) * 10)


class Bench:
    """One topic, one queue, any number of workers."""

    def __init__(
        self, name: str, broker_address: str, redis: RedisServer, bundle: Path, directory: Path
    ) -> None:
        self.frames_topic = f"frames-{name}"
        self.dead_letters_topic = f"dead-{name}"
        self.directory = directory
        create_topics(broker_address, 4, self.frames_topic, self.dead_letters_topic)
        self.kafka = kafka_settings(
            broker_address,
            frames_topic=self.frames_topic,
            dead_letters_topic=self.dead_letters_topic,
            group=name,
        )
        self.redis = RedisSettings.model_validate({"url": redis.url, "queue": name})
        self.redis_server = redis
        self._bundle = bundle
        self._publisher = FramePublisher(self.kafka, self.frames_topic)
        self.desk = ReviewDesk(self.redis)
        self.workers: list[RunningWorker] = []
        self.broker_pids: dict[str, int] = {}

    def worker(self, **settings: str) -> RunningWorker:
        environment = self.environment | settings
        worker = RunningWorker(environment, self.directory / f"worker-{len(self.workers)}.log")
        self.workers.append(worker)
        return worker

    @property
    def environment(self) -> dict[str, str]:
        """What a command of this bench needs to find its topic, queue and evidence."""
        return dict(os.environ) | {
            "FLAGPOST_KAFKA_BOOTSTRAP": self.kafka.bootstrap,
            "FLAGPOST_KAFKA_FRAMES_TOPIC": self.frames_topic,
            "FLAGPOST_KAFKA_DEAD_LETTERS_TOPIC": self.dead_letters_topic,
            "FLAGPOST_KAFKA_GROUP": self.kafka.group,
            "FLAGPOST_KAFKA_SESSION_TIMEOUT": "PT6S",
            "FLAGPOST_REDIS_URL": self.redis.url.get_secret_value(),
            "FLAGPOST_REDIS_QUEUE": self.redis.queue,
            "FLAGPOST_REDIS_TIMEOUT": "PT1S",
            "FLAGPOST_EVIDENCE_URL": str(self.directory / "evidence"),
            "FLAGPOST_ENGINE_BUNDLE": str(self._bundle),
            "FLAGPOST_ENGINE_BACKEND": "onnxruntime",
            "FLAGPOST_WORKER_JOURNAL": str(self.directory / "journal.jsonl"),
            "FLAGPOST_CONSOLE_STATE": str(self.directory / "console"),
        }

    def publish(self, stream_id: str, sequence: int, **changes: Any) -> None:
        values: dict[str, Any] = {
            "source": "test",
            "stream_id": stream_id,
            "session_id": "a",
            "sequence": sequence,
            "captured_at": START + timedelta(seconds=sequence),
            "duration": timedelta(seconds=1),
            "content_type": ContentType.MPEG_TS,
            "data": second(is_red=False),
        } | changes
        self._publisher.publish(FrameMessage(**values))

    def publish_seconds(self, streams: Iterable[str], first: int, last: int) -> None:
        """Seconds `first` to `last` of streams; each is red from second 5 to 9 of every 20."""
        for number in range(first, last):
            for stream_id in streams:
                self.publish(stream_id, number, data=second(is_red=5 <= number % 20 < 10))
        self.flush()

    def end_streams(self, streams: Iterable[str], sequence: int) -> None:
        for stream_id in streams:
            self.publish(
                stream_id,
                sequence,
                event_type=EventType.END_OF_STREAM,
                content_type=None,
                data=b"",
            )
        self.flush()

    def publish_raw(self, key: str, value: bytes, headers: list[tuple[str, bytes]]) -> None:
        self._publisher.publish_record(key, value, headers)

    def flush(self) -> None:
        self._publisher.flush()

    def flags(self) -> list[Flag]:
        found: list[Flag] = []
        for flag_id, _ in self.desk.waiting(limit=10_000):
            fields = self.desk.flag(flag_id)
            assert fields is not None
            found.append(Flag.model_validate_json(fields["json"]))
        return sorted(found, key=lambda flag: (flag.stream_id, flag.opened_at))

    def openings(self) -> int:
        """Flags that were ever put into the queue: more than flags means that one was doubled."""
        return sum(event["event"] == "new" for event in self.desk.log(100_000))

    def close(self) -> None:
        for worker in self.workers:
            worker.kill()
        self._publisher.close()
        self.desk.close()


class RunningWorker:
    """`flagpost worker` and its numbers."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self.port = free_port()
        self.log = log
        with open(log, "wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "workers.cli", "worker"],
                env=environment | {"FLAGPOST_WORKER_METRICS_PORT": str(self.port)},
                stdin=subprocess.DEVNULL,
                stderr=file,
                stdout=file,
                start_new_session=True,
            )

    def numbers(self) -> dict[str, float]:
        """Metrics without labels, and frames by outcome; empty while it does not answer."""
        try:
            address = f"http://127.0.0.1:{self.port}/metrics"
            with urllib.request.urlopen(address, timeout=2) as reply:
                text = reply.read().decode()
        except OSError:
            return {}
        values: dict[str, float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                name = sample.labels.get("outcome") or sample.labels.get("reason")
                values[name or sample.name] = sample.value
        return values

    def buckets(self, histogram: str) -> dict[str, float]:
        """Cumulative counts of a histogram by upper bound."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as reply:
            text = reply.read().decode()
        return {
            sample.labels["le"]: sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == f"{histogram}_bucket"
        }

    def has_settled(self, messages: int) -> bool:
        """Whether it took so many messages and has nothing open."""
        numbers = self.numbers()
        return (
            numbers.get("flagpost_messages_total", 0) >= messages
            and numbers.get("flagpost_frames_open") == 0
        )

    def answers(self, path: str) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=2):
                return True
        except urllib.error.HTTPError as error:
            error.close()
            return False
        except OSError:
            return False

    def children(self) -> list[int]:
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in path.read_text().split()]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)
