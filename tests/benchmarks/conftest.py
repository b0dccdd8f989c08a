"""Clips, encoded once, and real brokers for each benchmark."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from engines.bundle import CARD_FILE, bundle_named
from tests.benchmarks.clips import keyframe_of, segments, still_segments, violent_pictures
from tests.benchmarks.rig import BUNDLE, CLIENT, CLIPS
from tests.scenarios.bench_of_streams import Bench
from tests.servers import start_apache_kafka
from workers.brokers import RedisServer

VIOLENT_CLIPS = 2
SHORT_LOG = (
    "log.segment.bytes=134217728",
    "log.retention.bytes=1073741824",
    "log.retention.check.interval.ms=10000",
)
"""Half an hour at full load is 180 GB: each partition keeps its newest gigabyte."""


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("clips")
    for number, segment in enumerate(segments(CLIPS, directory)):
        (directory / f"{number:03}.h264").write_bytes(keyframe_of(segment))
    return directory


@pytest.fixture(scope="session")
def flagged_clips(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The clips, and a few that the bundle takes for violent: its own golden frames as film."""
    directory = tmp_path_factory.mktemp("flagged-clips")
    for path in clips.glob("*.ts"):
        (directory / path.name).symlink_to(path)
    for number, clip in enumerate(still_segments(violent_pictures(BUNDLE)[:VIOLENT_CLIPS])):
        (directory / f"{number:03}.ts").unlink()
        (directory / f"{number:03}.ts").write_bytes(clip)
    return directory


def rarely_flagging(name: str, directory: Path) -> Path:
    """The bundle with a high threshold.

    A model of one game takes half of any film for a fight; a topic on which every stream is flagged
    within seconds measures the making of clips and nothing else.
    """
    copy = directory / "bundle"
    shutil.copytree(bundle_named(name).directory, copy)
    card = json.loads((copy / CARD_FILE).read_text())
    card["decision"] |= {"open_threshold": 0.9, "close_threshold": 0.8}
    (copy / CARD_FILE).write_text(json.dumps(card))
    return copy


@pytest.fixture
def bench(tmp_path, request) -> Iterator[Bench]:
    broker = start_apache_kafka(tmp_path / "kafka", *SHORT_LOG)
    redis = RedisServer(tmp_path / "redis")
    redis.start()
    made = Bench("bench", broker.address, redis, rarely_flagging(BUNDLE, tmp_path), tmp_path)
    made.kafka = made.kafka.model_copy(update={"client": CLIENT})
    made.broker_pids = {"kafka": broker.pid, "redis": redis.pid}
    yield made
    made.close()
    broker.stop()
    redis.stop()
    shutil.rmtree(tmp_path / "kafka")  # gigabytes, which pytest would keep for three runs
