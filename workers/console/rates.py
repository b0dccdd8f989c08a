"""Rate limits, counted in Redis so that several console processes share them."""

from __future__ import annotations

import logging
from enum import StrEnum
from typing import Final

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import RedisStorage
from limits.strategies import FixedWindowRateLimiter
from redis import ConnectionPool
from redis.exceptions import ResponseError

from workers.errors import WorkerError
from workers.review.scripts import mapped_errors
from workers.settings import ConsoleSettings, RedisSettings

logger = logging.getLogger(__name__)
REFUSALS_PER_MINUTE: Final = 60


class Kind(StrEnum):
    """What is counted."""

    CLAIM = "claim"
    SIGN_IN_NAME = "sign-in as"
    SIGN_IN = "sign-in"
    REFUSAL = "refused request"


class TooMany(WorkerError):
    """Somebody asked too often; the same works in a minute."""


class Rates:
    """Counts attempts by person or address."""

    def __init__(self, redis: RedisSettings, settings: ConsoleSettings) -> None:
        timeout_s = redis.timeout.total_seconds()
        url = redis.url.get_secret_value()
        self._pool = ConnectionPool.from_url(
            url, socket_timeout=timeout_s, socket_connect_timeout=timeout_s
        )
        prefix = f"fq:{{{redis.queue}}}:console:rate"
        self._limiter = FixedWindowRateLimiter(RedisStorage(url, self._pool, key_prefix=prefix))
        self._items = {
            Kind.CLAIM: RateLimitItemPerMinute(settings.claims_per_minute),
            Kind.SIGN_IN_NAME: RateLimitItemPerMinute(settings.sign_ins_per_minute),
            # Several people may share an address.
            Kind.SIGN_IN: RateLimitItemPerMinute(5 * settings.sign_ins_per_minute),
            # Each is written to the audit log, which strangers must not fill.
            Kind.REFUSAL: RateLimitItemPerMinute(REFUSALS_PER_MINUTE),
        }

    def count(self, kind: Kind, who: str) -> None:
        """Counts one attempt.

        Raises:
            TooMany: The limit of this minute is reached.
            QueueUnavailable: Redis does not answer.
        """
        item = self._items[kind]
        with mapped_errors():
            allowed = self._hit(item, kind, who)
        if not allowed:
            raise TooMany(f"{kind.value}: more than {item.amount} a minute; wait a minute")

    def _hit(self, item: RateLimitItem, kind: Kind, who: str) -> bool:
        try:
            return self._limiter.hit(item, kind.value, who)
        except ResponseError as error:
            if "OOM" not in str(error):
                raise
            # Counting needs memory, working a full queue off does not: it must go on.
            logger.warning("Redis has no room to count a %s", kind.value)
            return True

    def close(self) -> None:
        self._pool.disconnect()
