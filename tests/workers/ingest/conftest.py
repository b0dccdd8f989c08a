from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from schemas.frames import FrameMessage, StreamMetadata, frame_message_from_record
from tests.workers.ingest.clips import write_clip
from workers.ingest.address import source_address
from workers.ingest.plan import StreamPlan
from workers.ingest.sinks import DirectorySink
from workers.ingest.status import StreamStatus
from workers.ingest.stream import StreamRunner
from workers.settings import IngestSettings

SETTINGS = IngestSettings(
    segment_duration=timedelta(seconds=1),
    read_timeout=timedelta(seconds=2),
    backoff_min=timedelta(milliseconds=20),
    backoff_max=timedelta(milliseconds=100),
)


@pytest.fixture(scope="session")
def clip_mp4(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clips") / "clip.mp4")


@pytest.fixture(scope="session")
def clip_ts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clips") / "clip.ts")


@pytest.fixture
def plan(tmp_path: Path) -> Callable[..., StreamPlan]:
    """A plan that writes to `tmp_path / "out"`."""

    def build(source: Path | str, **changes: object) -> StreamPlan:
        fields: dict[str, object] = {
            "address": source_address(str(source)),
            "stream_id": "s1",
            "metadata": StreamMetadata(title="Arena"),
            "settings": SETTINGS,
            "kafka": None,
            "output": tmp_path / "out",
            "keyframes_only": False,
            "segment_store": None,
            "realtime": False,
            "loop": False,
            "give_up_after": timedelta(seconds=0.5),
            "limit_bytes": 8_000_000,
        }
        return StreamPlan(**(fields | changes))  # type: ignore[arg-type]

    return build


class Run:
    """A stream that runs on a thread of the test."""

    def __init__(self, plan: StreamPlan) -> None:
        assert plan.output is not None
        self.output = plan.output
        self.stopping = threading.Event()
        self.states: list[str] = []
        self.errors: list[str] = []
        self.runner = StreamRunner(plan, DirectorySink(plan.output), self.stopping, self._note)
        self.thread = threading.Thread(target=self.runner.run)

    def _note(self, status: StreamStatus) -> None:
        if not self.states or self.states[-1] != status.state:
            self.states.append(status.state)
        if status.error and status.error not in self.errors:
            self.errors.append(status.error)

    @property
    def status(self) -> StreamStatus:
        return self.runner.status

    def to_its_end(self) -> list[FrameMessage]:
        self.runner.run()
        return messages_in(self.output)


@pytest.fixture
def run(plan: Callable[..., StreamPlan]) -> Callable[..., Run]:
    return lambda source, **changes: Run(plan(source, **changes))


def messages_in(directory: Path) -> list[FrameMessage]:
    """What a directory sink holds, read as a worker reads Kafka, in the order of publication."""
    found = []
    for headers in directory.rglob("*.json"):
        pairs = json.loads(headers.read_text())
        media = [path for path in headers.parent.glob(f"{headers.stem}.*") if path != headers]
        value = media[0].read_bytes() if media else b""
        message = frame_message_from_record(
            [(name, text.encode()) for name, text in pairs.items()], value
        )
        found.append((headers.stat().st_mtime_ns, message.sequence, message))
    return [message for _, _, message in sorted(found, key=lambda row: row[:2])]
