"""Signed, short-lived addresses of pictures and clips, bound to one person's session."""

from __future__ import annotations

import time
from datetime import timedelta
from enum import StrEnum
from typing import Final

from itsdangerous import BadData, URLSafeTimedSerializer

from workers.console.people import Person
from workers.errors import WorkerError

SKEW_S: Final = 5
"""How far ahead the clock of another console may be."""


class Level(StrEnum):
    """How much of a picture is shown."""

    BLURRED = "blurred"
    GREY = "grey"
    COLOUR = "colour"
    CLIP = "clip"


class AddressRefused(WorkerError):
    """A signed address does not open anything."""


class AddressForged(AddressRefused):
    """Nobody here signed it, or it was signed for somebody or something else."""


class AddressExpired(AddressRefused):
    """It was good once."""


class MediaSigner:
    """Signs what one session may fetch. Holds nothing but the secret."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def sign(
        self, person: Person, flag_id: str, key_name: str, level: Level, lifetime: timedelta
    ) -> str:
        """The `token` of an address: for this person's session, one file and one level."""
        serializer = self._serializer(person, flag_id, key_name)
        return str(serializer.dumps([level.value, lifetime.total_seconds()]))

    def check(self, person: Person, flag_id: str, key_name: str, token: str) -> Level:
        """What the token of an address allows.

        Raises:
            AddressForged: It is not for this person, session, flag or file.
            AddressExpired: Its time is over.
        """
        serializer = self._serializer(person, flag_id, key_name)
        try:
            (level, lifetime_s), signed_at = serializer.loads(token, return_timestamp=True)
        except (BadData, ValueError, TypeError) as error:
            raise AddressForged(f"address of {flag_id}/{key_name}: not signed here") from error
        age_s = time.time() - signed_at.timestamp()
        if not -SKEW_S <= age_s <= lifetime_s:
            raise AddressExpired(f"address of {flag_id}/{key_name}: its time is over")
        return Level(level)

    def _serializer(self, person: Person, flag_id: str, key_name: str) -> URLSafeTimedSerializer:
        bound_to = "\0".join(("media", person.name, person.session, flag_id, key_name))
        return URLSafeTimedSerializer(self._secret, salt=bound_to.encode())
