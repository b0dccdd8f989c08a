"""The console under load: fifty reviewers, 20,000 waiting flags, a real process and a real Redis.

`make bench ARGS='-k console'`; prints one JSON line last.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from schemas.flags import Evidence, Picture
from tests import media
from tests.benchmarks.reviewers import LOOK_S
from tests.benchmarks.rig import machine
from tests.workers.review.flags import START, flag, update
from workers.brokers import RedisServer
from workers.console.links import OneTimeLinks
from workers.console.people import Role
from workers.console.state import ConsoleState
from workers.moderation.evidence import EvidenceStore
from workers.review.board import Board
from workers.review.desk import ReviewDesk
from workers.review.intake import ReviewIntake
from workers.settings import RedisSettings

pytestmark = [pytest.mark.bench, pytest.mark.timeout(1200)]

REVIEWERS, WAITING = 50, 20_000
SECONDS = float(os.environ.get("FLAGPOST_BENCH_SECONDS", "60"))
WORKERS = int(os.environ.get("FLAGPOST_BENCH_WORKERS", "2"))
LEASE = timedelta(seconds=5)
IDENTITIES = 12
"""So many people a reviewer can be, one after the other, each time the one before vanished."""


def test_console_of_fifty_reviewers_against_a_long_queue(tmp_path):
    """From asking for a flag to its page; verdicts doubled or lost."""
    server = RedisServer(tmp_path / "redis")
    server.start()
    redis = RedisSettings(url=SecretStr(server.url))
    fill_queue(redis, evidence(tmp_path / "evidence"))
    process, address = console(tmp_path, server.url)
    config = json.dumps([address, links(tmp_path, redis), SECONDS, LEASE.total_seconds()])
    command = [sys.executable, "-m", "tests.benchmarks.reviewers", config]
    seen = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    faults = faults_of(redis, set(seen["taken"]))
    with process:
        process.terminate()
    server.stop()
    report(seen, faults)
    assert not any(faults.values())


def faults_of(redis: RedisSettings, taken: set[str]) -> dict[str, int]:
    """Verdicts written twice or not at all, and flags that are nowhere."""
    events = ReviewDesk(redis).log(1_000_000)
    decided = Counter(event["flag"] for event in events if event["event"] == "decision")
    counts = Board(redis).counts()
    waiting = counts.ready + counts.lapsed + counts.escalated + counts.handed
    somewhere = waiting + counts.leased + counts.parked + len(decided)
    return {
        "doubled": sum(count > 1 for count in decided.values()),
        "lost": len(taken - set(decided)),
        "flags_lost": WAITING - somewhere,
    }


def report(seen: dict[str, Any], faults: dict[str, int]) -> None:
    pages_ms = sorted(1000 * page_s for page_s in seen.pop("pages_s"))
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    figures = {
        "benchmark": "console",
        "reviewers": REVIEWERS,
        "waiting": WAITING,
        "workers": WORKERS,
        "look_s": LOOK_S,
        "pages": len(pages_ms),
        "claim_and_page_ms": {
            name: round(pages_ms[int(len(pages_ms) * share)]) for name, share in shares.items()
        },
        "verdicts": len(seen.pop("taken")),
    }
    sys.stdout.write("\n" + json.dumps(figures | seen | faults | machine()) + "\n")


def evidence(directory: Path) -> Evidence:
    """Six pictures, the same file: pages sign and name each."""
    jpeg = media.picture("JPEG", size=(640, 360))
    digest = EvidenceStore(str(directory)).put("00.jpg", jpeg)
    shots = (Picture(key="00.jpg", at=START, score=0.9, sha256=digest) for _ in range(6))
    return Evidence(pictures=tuple(shots))


def fill_queue(redis: RedisSettings, shown: Evidence) -> None:
    intake = ReviewIntake(redis)
    for first in range(0, WAITING, 500):
        intake.apply_all(
            [update(flag(number, evidence=shown)) for number in range(first, first + 500)]
        )
    intake.close()


def console(directory: Path, redis_url: str) -> tuple[subprocess.Popen[bytes], str]:
    environment = os.environ | {
        "FLAGPOST_CONSOLE_STATE": str(directory / "state"),
        "FLAGPOST_CONSOLE_LEASE": f"PT{LEASE.total_seconds():.0f}S",
        "FLAGPOST_CONSOLE_CLAIMS_PER_MINUTE": "1000",
        "FLAGPOST_CONSOLE_SIGN_INS_PER_MINUTE": "1000",
        "FLAGPOST_CONSOLE_WORKERS": str(WORKERS),
        "FLAGPOST_REDIS_URL": redis_url,
        "FLAGPOST_EVIDENCE_URL": str(directory / "evidence"),
    }
    command = [sys.executable, "-m", "workers.cli", "console", "--port", "0", "--json"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())["console"]


def links(directory: Path, redis: RedisSettings) -> list[list[str]]:
    """One-time links of every identity of each reviewer."""
    made = OneTimeLinks(ConsoleState(directory / "state").secret(), redis)
    return [
        [
            made.make(f"r{number}-{life}", [Role.REVIEWER], timedelta(hours=1))
            for life in range(IDENTITIES)
        ]
        for number in range(REVIEWERS)
    ]
