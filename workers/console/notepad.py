"""What the console keeps for a person between two pages: the last result, a note half written.

In Redis and for a short while, so that pages work without JavaScript and in any process.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from workers.errors import QueueUnavailable
from workers.review.roundtrip import Question, answered
from workers.review.scripts import connect, mapped_errors
from workers.settings import ConsoleSettings, RedisSettings

logger = logging.getLogger(__name__)
DRAFT_KEPT: Final = timedelta(hours=2)
SAID_AFTER_UNDO: Final = timedelta(seconds=3)
DRAFT_LIMIT: Final = 4000
"""Characters. A longer note is refused and stays on the page that refuses it."""


@dataclass(frozen=True, slots=True)
class Said:
    """The result of the last action.

    Attributes:
        text: A sentence.
        kind: `good`, `warn`, `bad` or `info`.
        undo: The flag whose verdict may be taken back; empty if none.
        left: For how long the verdict may still be taken back.
    """

    text: str
    kind: str = "good"
    undo: str = ""
    left: timedelta = timedelta(0)


class Notepad:
    """Any thread may call; everything raises QueueUnavailable where Redis does not answer."""

    def __init__(self, redis: RedisSettings, settings: ConsoleSettings) -> None:
        self._redis = connect(redis)
        self._prefix = f"fq:{{{redis.queue}}}:console:"
        self._window = settings.undo_window

    def say(
        self,
        person: str,
        text: str,
        kind: str = "good",
        undo: str = "",
        drop_draft: bool = False,
    ) -> None:
        """Keeps a result for the next page; what it tells of has happened, kept or not.

        Args:
            person: Whom it is told.
            text: A sentence.
            kind: `good`, `warn`, `bad` or `info`.
            undo: The flag whose verdict may be taken back; empty if none.
            drop_draft: The note half written went along with it.
        """
        kept = json.dumps({"text": text, "kind": kind, "undo": undo})
        try:
            with mapped_errors():
                pipe = self._redis.pipeline(transaction=False)
                if drop_draft:
                    pipe.delete(self._draft(person))
                pipe.set(self._said(person), kept, px=self._window + SAID_AFTER_UNDO)
                pipe.execute()
        except QueueUnavailable as error:
            logger.warning("the next page of %s does not say %r: %s", person, text, error)

    def said(self, person: str) -> Said | None:
        """The last result, until a little after its verdict can be taken back no more."""
        return answered(self._redis, self.ask_said(person))

    def ask_said(self, person: str) -> Question[Said | None]:
        """The same, to be asked with other questions."""
        key = self._said(person)
        return Question(lambda pipe: (pipe.get(key), pipe.pttl(key)), _said)

    def forget(self, person: str) -> None:
        with mapped_errors():
            self._redis.delete(self._said(person))

    def keep_draft(self, person: str, flag_id: str, note: str) -> None:
        """Keeps a note that was typed and not yet sent with a verdict; an empty one drops it."""
        with mapped_errors():
            if note:
                kept = json.dumps([flag_id, note[:DRAFT_LIMIT]])
                self._redis.set(self._draft(person), kept, px=DRAFT_KEPT)
            else:
                self._redis.delete(self._draft(person))

    def draft(self, person: str) -> tuple[str, str]:
        """The flag and the text of the note last kept; two empty strings if none."""
        return answered(self._redis, self.ask_draft(person))

    def ask_draft(self, person: str) -> Question[tuple[str, str]]:
        """The same, to be asked with other questions."""
        return Question(lambda pipe: pipe.get(self._draft(person)), _draft)

    def close(self) -> None:
        self._redis.close()

    def _said(self, person: str) -> str:
        return f"{self._prefix}said:{person}"

    def _draft(self, person: str) -> str:
        return f"{self._prefix}draft:{person}"


def _said(replies: Sequence[Any]) -> Said | None:
    kept, left_ms = replies
    if kept is None:
        return None
    left = max(timedelta(0), timedelta(milliseconds=left_ms) - SAID_AFTER_UNDO)
    fields = json.loads(kept)
    return Said(fields["text"], fields["kind"], fields["undo"] if left else "", left)


def _draft(replies: Sequence[Any]) -> tuple[str, str]:
    if replies[0] is None:
        return "", ""
    flag_id, note = json.loads(replies[0])
    return flag_id, note
