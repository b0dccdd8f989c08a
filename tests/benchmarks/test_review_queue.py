"""What a long queue costs: a claim, the counts and a verdict with 20,000 flags waiting."""

import json
import sys
import time
from collections.abc import Callable
from datetime import timedelta

import pytest

from schemas.flags import Severity
from tests.workers.review.flags import claimed, decision, flag, update
from workers.review.board import Board
from workers.review.desk import ReviewDesk
from workers.review.intake import ReviewIntake

WAITING = 20_000
ROUNDS = 200
POLICIES = ("violence", "gore", "brawl")


def slowest_ms(act: Callable[[int], object]) -> dict[str, float]:
    """Median and 99th percentile of an act, in milliseconds."""
    took = []
    for number in range(ROUNDS):
        start = time.perf_counter()
        act(number)
        took.append((time.perf_counter() - start) * 1000)
    took.sort()
    return {"p50": round(took[ROUNDS // 2], 2), "p99": round(took[ROUNDS * 99 // 100], 2)}


@pytest.mark.bench
def test_a_long_queue_costs_a_claim_only_milliseconds(redis_settings):
    intake, desk = ReviewIntake(redis_settings), ReviewDesk(redis_settings)
    board = Board(redis_settings)
    severities = tuple(Severity)
    for first in range(0, WAITING, 500):
        intake.apply_all(
            [
                update(flag(number, severities[number % 3], policy=POLICIES[number % 3]))
                for number in range(first, first + 500)
            ]
        )
    board.counts()

    def claim_and_decide(number: int) -> None:
        held = claimed(desk, f"r{number % 50}")
        desk.decide(decision(held.flag.flag_id, f"r{number % 50}", held.epoch))

    found = {
        "counts_ms": slowest_ms(lambda _: board.counts()),
        "claim_ms": slowest_ms(lambda n: desk.claim(f"a{n}", timedelta(hours=1))),
        "claim_without_two_policies_ms": slowest_ms(
            lambda n: desk.claim(f"b{n}", without=frozenset({"violence", "gore"}))
        ),
        "claim_and_decide_ms": slowest_ms(claim_and_decide),
        "working_ms": slowest_ms(lambda _: board.working()),
        "page_of_50_ms": slowest_ms(lambda _: board.waiting(offset=5000, limit=50)),
    }
    intake.close()
    desk.close()
    board.close()
    sys.stdout.write(
        "\n" + json.dumps({"benchmark": "review queue", "waiting": WAITING, **found}) + "\n"
    )
    for name in ("counts_ms", "claim_ms", "claim_without_two_policies_ms"):
        assert found[name]["p99"] < 50, f"{name}: {found[name]}"
