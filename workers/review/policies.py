"""The policies in force: read by everybody, changed by supervisors, each version kept.

A change holds at once: flags that wait are dated anew, the next flag is dated by it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from schemas.policies import DEFAULT_POLICIES, Policy, PolicySet
from workers.errors import WorkerError
from workers.review.reindex import redate
from workers.review.roundtrip import Question, answered
from workers.review.scripts import connect, mapped_errors, run_all
from workers.settings import RedisSettings

__all__ = ["Policy", "PolicyBook", "PolicyConflict", "PolicySet"]

logger = logging.getLogger(__name__)


class PolicyConflict(WorkerError):
    """Somebody else saved policies since they were read.

    Attributes:
        expected: The version that the change was made from.
        current: The version that is in force now.
    """

    def __init__(self, expected: int, current: int) -> None:
        super().__init__(
            f"policies: this change was made from version {expected}, but version {current} is in "
            "force; read it and make the change again"
        )
        self.expected = expected
        self.current = current


class PolicyBook:
    """Safe for several threads. Every method raises QueueUnavailable if Redis does not answer."""

    def __init__(self, settings: RedisSettings) -> None:
        self._redis = connect(settings)
        self._prefix = f"fq:{{{settings.queue}}}:"

    def current(self) -> PolicySet:
        """The set in force; the defaults, as version 0, where none was saved."""
        return answered(self._redis, self.ask_current())

    def ask_current(self) -> Question[PolicySet]:
        """The same, to be asked with other questions."""
        log = f"{self._prefix}policies:log"
        return Question(lambda pipe: pipe.xrevrange(log, count=1), _newest)

    def save(self, policies: Iterable[Policy], by: str, expected_version: int) -> PolicySet:
        """Puts a set in force and dates the flags that wait by it.

        Raises:
            PolicyConflict: `expected_version` is not in force any more; nothing changed.
            ValidationError: The set has a code twice, or none that is active (pydantic's).
        """
        made = PolicySet(
            version=expected_version + 1,
            policies=tuple(policies),
            changed_at=datetime.now(UTC),
            by=by,
        )
        rows = [
            (policy.code, policy.severity.value, policy.threshold, policy.sla.total_seconds())
            for policy in made.policies
        ]
        call = [
            expected_version,
            made.model_dump_json(),
            by,
            *(cell for row in rows for cell in row),
        ]
        saved, version = run_all(self._redis, "save_policies", [self._prefix], [call])[0]
        if not saved:
            raise PolicyConflict(expected_version, int(version))
        dated = redate(self._redis, self._prefix)
        logger.info("policies version %d by %s: %d flags dated by it", version, by, dated)
        return made

    def history(self, limit: int = 20) -> tuple[PolicySet, ...]:
        """Saved versions, the newest first."""
        with mapped_errors():
            entries: Any = self._redis.xrevrange(f"{self._prefix}policies:log", count=limit)
        return tuple(PolicySet.model_validate_json(fields[b"set"]) for _, fields in entries)

    def close(self) -> None:
        self._redis.close()


def _newest(replies: Sequence[Any]) -> PolicySet:
    return next((_parsed(fields[b"set"]) for _, fields in replies[0]), DEFAULT_POLICIES)


@lru_cache(8)
def _parsed(text: bytes) -> PolicySet:
    """Every page reads the same text, and policies change seldom."""
    return PolicySet.model_validate_json(text)
