"""Settings come from the environment or one file, and a name that nobody reads does not pass."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from tests.workers.operations.commands import run
from workers.errors import ConfigurationRejected
from workers.settings import (
    GROUPS,
    ConsoleSettings,
    KafkaSettings,
    RedisSettings,
    WorkerSettings,
    read_settings,
    strange_environment,
)

FILE = """\
# of all processes
FLAGPOST_KAFKA_BOOTSTRAP=kafka:9092
FLAGPOST_KAFKA_PASSWORD=hunter2
FLAGPOST_REDIS_URL=redis://me:hunter2@redis:6379/0
FLAGPOST_EVIDENCE_URL=s3://key:hunter2@bucket/evidence
FLAGPOST_ENGINE_BUNDLE=s3://registry#stable
FLAGPOST_WORKER_CHILDREN=3
FLAGPOST_CONSOLE_PORT=8000
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "flagpost.env"
    path.write_text(FILE)
    return path


def test_one_file_holds_the_settings_of_every_process(file: Path):
    for group in GROUPS:
        read_settings(group, file)
    assert read_settings(KafkaSettings, file).bootstrap == "kafka:9092"
    assert read_settings(RedisSettings, file).url.get_secret_value().startswith("redis://me")
    assert read_settings(WorkerSettings, file).children == 3
    assert read_settings(ConsoleSettings, file).port == 8000


def test_the_environment_wins_over_the_file(file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FLAGPOST_WORKER_CHILDREN", "5")
    monkeypatch.setenv("FLAGPOST_CONFIG", str(file))
    assert read_settings(WorkerSettings).children == 5
    assert read_settings(KafkaSettings).bootstrap == "kafka:9092"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("FLAGPOST_KAFKA_BOTSTRAP", "FLAGPOST_KAFKA_BOOTSTRAP"),
        ("FLAGPOST_KAFAK_GROUP", "FLAGPOST_KAFKA_GROUP"),
        ("REDIS_URL", "FLAGPOST_REDIS_URL"),
    ],
)
def test_an_unknown_name_in_the_file_stops_the_start_and_is_named(file: Path, name, meant):
    file.write_text(f"{FILE}{name}=x\n")
    with pytest.raises(ConfigurationRejected, match=rf"{name}: .* did you mean {meant}\?"):
        read_settings(WorkerSettings, file)


def test_an_unknown_name_in_the_environment_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FLAGPOST_REDIS_QUEU", "x")
    (text,) = strange_environment()
    assert text == "FLAGPOST_REDIS_QUEU: no such setting; did you mean FLAGPOST_REDIS_QUEUE?"


def test_a_value_that_does_not_fit_and_a_missing_file_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("FLAGPOST_WORKER_CHILDREN", "many")
    with pytest.raises(ConfigurationRejected, match=r"FLAGPOST_WORKER_CHILDREN: .* integer"):
        read_settings(WorkerSettings)
    with pytest.raises(ConfigurationRejected, match="no such file"):
        read_settings(WorkerSettings, tmp_path / "none.env")


def test_the_worker_shows_every_setting_and_no_secret(file: Path):
    answer = run("worker", "--config", str(file), "--show-config")
    shown = json.loads(answer.text)
    assert "hunter2" not in answer.text
    assert shown["FLAGPOST_KAFKA_BOOTSTRAP"] == "kafka:9092"
    assert shown["FLAGPOST_EVIDENCE_URL"] == "s3://***@bucket/evidence"
    assert shown["FLAGPOST_ENGINE_BUNDLE"] == "s3://registry#stable"
    assert shown["FLAGPOST_WORKER_DRAIN_DEADLINE"] == f"PT{timedelta(seconds=10).seconds}S"
