"""What a person looked at unblurred in a shift: counted on the server, capped, shown to them alone.

Whether blurring or counting protects anybody is not settled; a cap at least bounds the dose. A
shift begins with its first reveal. Seconds are those that a clear picture could be seen: until the
next reveal, a decision, blurring again or the end of its address, whichever comes first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from schemas.frames import capture_time
from workers.review.roundtrip import Question, answered
from workers.review.scripts import connect, mapped_errors
from workers.settings import ConsoleSettings, RedisSettings

_SHOWS = "until"
_SINCE = "since"
_POLICY = "policy"
_TOTAL = "reveals"
_BEGAN = "began"
_PROMPTED = "prompted"


@dataclass(frozen=True, slots=True)
class Exposure:
    """One person's shift so far.

    Attributes:
        reveals: Pictures and clips shown unblurred.
        seconds: How long they could be seen.
        reveals_by_policy: The same by policy code.
        seconds_by_policy: The same by policy code.
        began_at: First reveal of the shift; None before it.
        ends_at: When counting starts anew.
        prompt: After so many reveals a break is suggested.
        cap: After so many reveals no more are shown.
        prompted_at: Reveals at the last break that was suggested and taken note of.
    """

    reveals: int
    seconds: float
    reveals_by_policy: Mapping[str, int]
    seconds_by_policy: Mapping[str, float]
    began_at: datetime | None
    ends_at: datetime | None
    prompt: int
    cap: int
    prompted_at: int = 0

    @property
    def is_capped(self) -> bool:
        return self.reveals >= self.cap

    @property
    def suggests_break(self) -> bool:
        """Again after each `prompt` reveals, until the person says that they saw it."""
        return self.reveals - self.prompted_at >= self.prompt

    @property
    def left(self) -> int:
        return max(0, self.cap - self.reveals)


class ExposureBook:
    """Counts in Redis, so that several console processes share them; any thread may call."""

    def __init__(self, redis: RedisSettings, settings: ConsoleSettings) -> None:
        self._redis = connect(redis)
        self._prefix = f"fq:{{{redis.queue}}}:care:"
        self._prompt, self._cap = settings.exposure_prompt, settings.exposure_cap
        self._shift = settings.shift

    def reserve(self, person: str, policy: str, lasts: timedelta) -> bool:
        """Counts one reveal before it is shown; False where the cap is reached, counting nothing.

        Args:
            person: Who looks.
            policy: The flag's policy code.
            lasts: How long the address works, the most that can be seen of it.

        Raises:
            QueueUnavailable: Redis does not answer: then nothing may be shown.
        """
        self.settle(person)
        key, now_ms = self._prefix + person, self._now_ms()
        with mapped_errors():
            counting = self._redis.pipeline()
            counting.hincrby(key, _TOTAL, 1)
            counting.pttl(key)
            count, left_ms = counting.execute()
            if count > self._cap:
                # Counted first and taken back: two tabs at once cannot both pass.
                self._redis.hincrby(key, _TOTAL, -1)
                return False
            pipe = self._redis.pipeline()
            if left_ms < 0:  # the first of a shift
                pipe.hset(key, _BEGAN, now_ms)
                pipe.pexpire(key, self._shift)
            pipe.hincrby(key, f"n:{policy}", 1)
            until = now_ms + round(lasts / timedelta(milliseconds=1))
            pipe.hset(key, mapping={_SINCE: now_ms, _SHOWS: until, _POLICY: policy})
            pipe.execute()
        return True

    def settle(self, person: str) -> None:
        """Nothing is shown clear any more: adds what was seen to the shift's seconds."""
        key = self._prefix + person
        with mapped_errors():
            pipe = self._redis.pipeline(transaction=False)
            pipe.hmget(key, [_SINCE, _SHOWS, _POLICY])
            pipe.time()
            (since, until, policy), (seconds, micros) = pipe.execute()
            if since is None or until is None or policy is None:
                return
            # Whoever removes the mark adds the seconds: a double click counts once.
            if not self._redis.hdel(key, _SINCE):
                return
            now_ms = seconds * 1000 + micros // 1000
            seen_ms = max(0, min(now_ms, int(until)) - int(since))
            self._redis.hincrby(key, f"ms:{policy.decode()}", seen_ms)

    def note_break(self, person: str) -> None:
        """The suggestion was seen; the next comes after as many reveals again."""
        key = self._prefix + person
        with mapped_errors():
            reveals = int(self._redis.hget(key, _TOTAL) or 0)
            if reveals:
                self._redis.hset(key, _PROMPTED, reveals)

    def of(self, person: str) -> Exposure:
        """The person's own numbers."""
        return answered(self._redis, self.ask(person))

    def ask(self, person: str) -> Question[Exposure]:
        """The same, to be asked with other questions."""
        key = self._prefix + person
        return Question(lambda pipe: (pipe.hgetall(key), pipe.pttl(key), pipe.time()), self._read)

    def close(self) -> None:
        self._redis.close()

    def _read(self, replies: Sequence[Any]) -> Exposure:
        found, left_ms, (seconds_now, micros) = replies
        fields = {name.decode(): value.decode() for name, value in found.items()}
        reveals = {name[2:]: int(n) for name, n in fields.items() if name.startswith("n:")}
        seconds = {name[3:]: int(n) / 1000 for name, n in fields.items() if name.startswith("ms:")}
        began = int(fields[_BEGAN]) / 1000 if _BEGAN in fields else None
        now_s = seconds_now + micros / 1_000_000
        ends = now_s + left_ms / 1000 if left_ms > 0 else None
        return Exposure(
            reveals=int(fields.get(_TOTAL, 0)),
            seconds=sum(seconds.values()),
            reveals_by_policy=reveals,
            seconds_by_policy=seconds,
            began_at=capture_time(began) if began is not None else None,
            ends_at=capture_time(ends) if ends is not None else None,
            prompt=self._prompt,
            cap=self._cap,
            prompted_at=int(fields.get(_PROMPTED, 0)),
        )

    def _now_ms(self) -> int:
        """The server's clock: consoles' clocks may differ."""
        with mapped_errors():
            seconds, micros = self._redis.time()
        moment: Any = seconds * 1000 + micros // 1000
        return int(moment)
