"""The doctor names what is missing or would lose data, and what mends it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from pydantic import SecretStr

from tests.bundles import write_tiny_bundle
from tests.servers import kafka_settings
from tests.workers.operations.commands import run
from workers.brokers import RedisServer, free_port
from workers.operations import machine
from workers.operations.doctor import kafka_findings, redis_findings
from workers.operations.findings import Finding, Standing, exit_code
from workers.operations.machine import machine_findings
from workers.settings import EngineSettings, EvidenceSettings, RedisSettings


def by_subject(findings: list[Finding], word: str) -> Finding:
    (found,) = [finding for finding in findings if word in finding.subject.split()]
    return found


def engine_settings(tmp_path: Path) -> EngineSettings:
    return EngineSettings(bundle=str(write_tiny_bundle(tmp_path / "bundle")), backend="onnxruntime")


def test_brokers_that_do_not_answer_are_unreachable_with_their_reason():
    address = f"127.0.0.1:{free_port()}"
    (kafka,) = kafka_findings(kafka_settings(address, bootstrap_timeout="PT1S"))
    assert kafka.standing is Standing.UNREACHABLE
    assert "ECONNREFUSED" in kafka.fact
    (redis,) = redis_findings(
        RedisSettings(url=SecretStr(f"redis://{address}/0"), timeout=timedelta(seconds=1))
    )
    assert redis.standing is Standing.UNREACHABLE
    assert exit_code([kafka, redis]) == 3


def test_a_broker_without_topics_gets_the_command_that_makes_them(broker):
    topics = {"frames_topic": uuid4().hex, "dead_letters_topic": uuid4().hex}
    reach, frames, dead_letters = kafka_findings(kafka_settings(broker.address, **topics))
    assert (reach.standing, frames.standing) == (Standing.GOOD, Standing.WRONG)
    assert "1 brokers" in reach.fact
    assert dead_letters.mend == "flagpost topics create"


def test_a_redis_that_keeps_every_flag_is_good(redis_server: RedisServer):
    findings = redis_findings(RedisSettings(url=SecretStr(redis_server.url)))
    assert exit_code(findings) == 0
    assert by_subject(findings, "persistence").fact == "append-only file"


def test_a_redis_that_would_lose_flags_gets_the_commands_that_mend_it(tmp_path: Path):
    server = RedisServer(
        tmp_path, None, "--maxmemory-policy", "allkeys-lru", "--appendonly", "no",
        "--maxmemory", "2mb",
    )  # fmt: skip
    server.start()
    findings = redis_findings(RedisSettings(url=SecretStr(server.url), min_replicas=1))
    server.stop()
    assert by_subject(findings, "eviction").mend.endswith("maxmemory-policy noeviction")
    assert by_subject(findings, "persistence").mend.endswith("appendonly yes")
    assert by_subject(findings, "replicas").standing is Standing.WRONG
    assert by_subject(findings, "memory").fact.endswith("workers wait when it is full") or (
        by_subject(findings, "memory").standing is Standing.GOOD
    )
    assert exit_code(findings) == 1


def test_a_redis_that_wants_a_password_or_has_a_wrong_address_says_so(tmp_path: Path):
    server = RedisServer(tmp_path, None, "--requirepass", "sesame")
    server.start()
    urls = (server.url, server.url.replace("//", "//:wrong@"), "http://me:hunter2@redis")
    nothing, wrong, no_redis = (
        finding for url in urls for finding in redis_findings(RedisSettings(url=SecretStr(url)))
    )
    server.stop()
    assert "it wants a password, and the address has none" in nothing.fact
    assert "invalid username-password pair" in wrong.fact
    assert "expected an address such as redis://" in no_redis.fact
    assert "hunter2" not in no_redis.fact
    assert {one.standing for one in (nothing, wrong, no_redis)} == {Standing.UNREACHABLE}


def test_a_machine_that_can_work_is_good(tmp_path: Path):
    evidence = EvidenceSettings(url=str(tmp_path / "evidence"))
    findings = machine_findings(engine_settings(tmp_path), evidence)
    assert {finding.standing for finding in findings} <= {Standing.GOOD, Standing.NOTE}
    assert "h264, hevc, av1" in by_subject(findings, "decoders").fact
    assert "fp32" in by_subject(findings, "precisions").fact


def test_a_bundle_that_is_not_there_is_wrong(tmp_path: Path):
    engine = EngineSettings(bundle=str(tmp_path / "nowhere"))
    findings = machine_findings(engine, EvidenceSettings(url=str(tmp_path / "evidence")))
    found = by_subject(findings, "engine")
    assert found.standing is Standing.WRONG
    assert "FLAGPOST_ENGINE_BUNDLE" in found.mend


def test_a_store_that_takes_nothing_is_wrong(tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    evidence = EvidenceSettings(url=str(tmp_path / "file" / "evidence"))
    found = by_subject(machine_findings(engine_settings(tmp_path), evidence), "evidence")
    assert found.standing is Standing.WRONG
    assert "FLAGPOST_EVIDENCE_URL" in found.mend


def test_a_missing_decoder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(machine, "DECODERS", {"h264": "h264", "no-such-decoder": "holography"})
    evidence = EvidenceSettings(url=str(tmp_path / "evidence"))
    found = by_subject(machine_findings(engine_settings(tmp_path), evidence), "decoders")
    assert found.standing is Standing.WRONG
    assert "no decoder for holography" in found.fact


def test_a_full_disk_and_few_files_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(machine, "DISK_BYTES", 1 << 60)
    monkeypatch.setattr(machine, "OPEN_FILES", 1 << 40)
    evidence = EvidenceSettings(url=str(tmp_path / "evidence"))
    findings = machine_findings(engine_settings(tmp_path), evidence)
    assert by_subject(findings, "disk").standing is Standing.WRONG
    assert by_subject(findings, "limits").mend.startswith("ulimit -n")


def test_the_command_prints_one_object_a_line_and_ends_by_the_worst(
    tansu, redis_server: RedisServer, tmp_path: Path
):
    answer = run(
        "doctor",
        "--json",
        FLAGPOST_KAFKA_BOOTSTRAP=tansu.address,
        FLAGPOST_KAFKA_FRAMES_TOPIC=uuid4().hex,
        FLAGPOST_REDIS_URL=redis_server.url,
        FLAGPOST_EVIDENCE_URL=str(tmp_path / "evidence"),
        FLAGPOST_ENGINE_BUNDLE=str(write_tiny_bundle(tmp_path / "bundle")),
        FLAGPOST_ENGINE_BACKEND="onnxruntime",
    )
    assert answer.code == 1
    wrong = [line for line in answer.lines() if line["standing"] == "wrong"]
    assert {line["mend"] for line in wrong} == {"flagpost topics create"}
