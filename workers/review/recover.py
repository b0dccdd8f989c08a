"""Recovery: flags that a worker's journal knows and Redis does not go into the queue again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from workers.review.desk import ReviewDesk
from workers.review.intake import ReviewIntake
from workers.review.journal import flags_in_journal
from workers.review.records import FlagStep, Step, StreamUpdate
from workers.settings import RedisSettings

RECOVERED: str = "recovered"
"""Position under which recovered flags are stored; no topic has this name."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """What a recovery found and did."""

    in_journal: int
    known: int
    recovered: int


def recover(settings: RedisSettings, journals: Iterable[Path], dry_run: bool) -> Recovery:
    """Stores every journal flag that Redis does not know. Running it again changes nothing.

    Raises:
        QueueUnavailable: Redis does not answer.
    """
    desk, intake = ReviewDesk(settings), ReviewIntake(settings)
    total = known = recovered = 0
    for flag in flags_in_journal(journals):
        total += 1
        if desk.flag(flag.flag_id) is not None:
            known += 1
            continue
        recovered += 1
        if not dry_run:
            step = FlagStep(Step.OPEN, flag)
            # A stream of its own: the real stream's state is the worker's to write.
            name = f"{RECOVERED}-{flag.flag_id}"
            intake.apply_all([StreamUpdate(name, f"{RECOVERED}:0", 0, b"", (step,))])
    desk.close()
    intake.close()
    return Recovery(total, known, recovered)
