"""Whether a stream is still live: when a worker last handled a message of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from workers.review.intake import STATE_KEPT
from workers.review.roundtrip import Question, answered
from workers.review.scripts import connect
from workers.settings import RedisSettings

LIVE_WITHIN: Final = timedelta(seconds=30)
"""Several segments long: a stream that merely stutters is still live."""


class OnAir:
    """Reads the age of a stream's state: each message of the stream renews how long it is kept."""

    def __init__(self, settings: RedisSettings) -> None:
        self._redis = connect(settings)
        self._prefix = f"fq:{{{settings.queue}}}:s:"

    def last_heard(self, stream_id: str) -> timedelta | None:
        """How long ago; None where nothing was heard for a day.

        Raises:
            QueueUnavailable: Redis does not answer.
        """
        return answered(self._redis, self.ask(stream_id))

    def ask(self, stream_id: str) -> Question[timedelta | None]:
        """The same, to be asked with other questions."""
        return Question(lambda pipe: pipe.pttl(self._prefix + stream_id), _silence)

    def close(self) -> None:
        self._redis.close()


def _silence(replies: Sequence[Any]) -> timedelta | None:
    left_ms: int = replies[0]
    if left_ms < 0:
        return None
    return max(timedelta(0), STATE_KEPT - timedelta(milliseconds=left_ms))
