"""What a person set for themselves: shortcut keys, and categories they do not review."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from workers.review.roundtrip import Question, answered
from workers.review.scripts import connect, mapped_errors
from workers.settings import RedisSettings

ACTIONS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "next": ("g", "Get a flag"),
        "violent": ("v", "Violent, then a digit for the policy"),
        "not_violent": ("n", "Not violent, then a digit for the reason"),
        "unsure": ("u", "Unsure: a senior decides"),
        "undo": ("z", "Undo the last decision"),
        "skip": ("s", "Skip: somebody else takes it"),
        "hold": ("h", "Hold for 30 minutes"),
        "extend": ("e", "Extend the lease"),
        "reveal": ("r", "Reveal one step: grey, then colour"),
        "cover": ("b", "Blur everything again"),
        "play": ("p", "Show the clip; play and pause"),
        "slower": ("x", "Clip speed: 1, ½, ¼"),
        "previous": ("j", "Picture before"),
        "following": ("k", "Next picture"),
        "note": ("t", "Type a note; Escape leaves it"),
        "help": ("?", "Show the keys"),
    }
)
"""Each action with its default key and what it does."""


class ShortcutRejected(ValueError):
    """A key that cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Preferences:
    """One person's settings; defaults where nothing was set."""

    keys: Mapping[str, str] = field(default_factory=lambda: default_keys())
    keys_on: bool = True
    without: frozenset[str] = frozenset()
    """Policy codes whose flags this person is not given."""


def default_keys() -> dict[str, str]:
    return {action: key for action, (key, _) in ACTIONS.items()}


def checked_keys(wanted: Mapping[str, str]) -> dict[str, str]:
    """Keys for every action; an empty one switches that shortcut off.

    Raises:
        ShortcutRejected: Not one character, a digit (digits choose policies), or used twice.
    """
    keys: dict[str, str] = {}
    for action, (default, does) in ACTIONS.items():
        key = wanted.get(action, default).strip().lower()
        if len(key) > 1 or (key and (not key.isprintable() or key.isdigit())):
            raise ShortcutRejected(
                f"{does}: got {key[:20]!r}, expected one letter or sign; digits choose policies"
            )
        if key and key in keys.values():
            other = next(name for name, used in keys.items() if used == key)
            raise ShortcutRejected(
                f"key {key!r} stands for both {ACTIONS[other][1]!r} and {does!r}"
            )
        keys[action] = key
    return keys


class PreferenceBook:
    """Kept in Redis beside the queue, so that they follow a person to any browser."""

    def __init__(self, settings: RedisSettings) -> None:
        self._redis = connect(settings)
        self._prefix = f"fq:{{{settings.queue}}}:person:"

    def of(self, person: str) -> Preferences:
        """Raises QueueUnavailable where Redis does not answer."""
        return answered(self._redis, self.ask(person))

    def ask(self, person: str) -> Question[Preferences]:
        """The same, to be asked with other questions."""
        return Question(lambda pipe: pipe.hgetall(self._prefix + person), _preferences)

    def set_keys(self, person: str, keys: Mapping[str, str], on: bool) -> None:
        """Stores checked keys, and whether shortcuts work at all; raises ShortcutRejected."""
        self._store(person, keys=json.dumps(checked_keys(keys)), keys_on="1" if on else "0")

    def set_without(self, person: str, policies: Iterable[str]) -> None:
        """Opts out of policies; the caller checks that something is left to review."""
        self._store(person, without=json.dumps(sorted(policies)))

    def close(self) -> None:
        self._redis.close()

    def _store(self, person: str, **fields: str) -> None:
        with mapped_errors():
            pipe = self._redis.pipeline(transaction=False)
            for name, text in fields.items():
                pipe.hset(self._prefix + person, name, text)
            pipe.execute()


def _preferences(replies: Sequence[Any]) -> Preferences:
    found: dict[bytes, bytes] = replies[0]
    keys = json.loads(found[b"keys"]) if b"keys" in found else {}
    without = json.loads(found[b"without"]) if b"without" in found else []
    return Preferences(
        keys=default_keys() | {name: key for name, key in keys.items() if name in ACTIONS},
        keys_on=found.get(b"keys_on", b"1") == b"1",
        without=frozenset(without),
    )
