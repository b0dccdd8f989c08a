"""The worker's side of the review queue: stream states in, what messages did to flags out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from workers.errors import ConfigurationRejected, QueueUnavailable
from workers.review.records import Applied, FlagStep, StreamRecord, StreamUpdate
from workers.review.scripts import connect, mapped_errors, run_all
from workers.settings import RedisSettings

STATE_KEPT: Final = timedelta(hours=24)
"""A stream that is silent for longer starts anew; must exceed the frames topic's retention."""
_POSITION: Final = b"pos:"


class ReviewIntake:
    """Used by one thread. Every write may be repeated."""

    def __init__(self, settings: RedisSettings) -> None:
        self._settings = settings
        self._redis = connect(settings)
        self._prefix = f"fq:{{{settings.queue}}}:"

    def load_states(self, stream_ids: Sequence[str]) -> dict[str, StreamRecord]:
        """What Redis holds of streams, in one round trip; unknown ones have no state.

        Raises:
            QueueUnavailable: Redis does not answer now.
        """
        pipe = self._redis.pipeline(transaction=False)
        for stream_id in stream_ids:
            pipe.hgetall(f"{self._prefix}s:{stream_id}")
        with mapped_errors():
            replies = pipe.execute()
        return {
            stream_id: _record(reply) for stream_id, reply in zip(stream_ids, replies, strict=True)
        }

    def apply_all(self, updates: Sequence[StreamUpdate]) -> list[Applied]:
        """Stores the effects of messages, each whole and once, in one round trip.

        Raises:
            QueueUnavailable: Redis does not answer, has no memory left, or too few replicas hold
                the writes. Call again with the same updates: what was stored stays stored once.
        """
        if not updates:
            return []
        kept_s = int(STATE_KEPT.total_seconds())
        calls = [
            [
                update.stream_id,
                update.position,
                update.offset,
                update.state,
                kept_s,
                *(argument for step in update.steps for argument in _step_arguments(step)),
            ]
            for update in updates
        ]
        replies = run_all(self._redis, "apply", [self._prefix], calls)
        self._wait_for_replicas()
        return [Applied(reply.decode()) for reply in replies]

    def check_server(self) -> list[str]:
        """Warnings about how the server is set.

        Raises:
            QueueUnavailable: It does not answer.
            ConfigurationRejected: It is too old, or would evict flags.
        """
        with mapped_errors():
            server = self._redis.info("server")
            memory = self._redis.info("memory")
            persistence = self._redis.info("persistence")
        version = str(server["redis_version"])
        if tuple(int(part) for part in version.split(".")[:2]) < (6, 2):
            raise ConfigurationRejected(f"Redis: got version {version}, expected 6.2 or newer")
        if memory["maxmemory_policy"] != "noeviction":
            raise ConfigurationRejected(
                f"Redis: maxmemory-policy is {memory['maxmemory_policy']}, expected noeviction: "
                "flags would vanish; `redis-cli config set maxmemory-policy noeviction`"
            )
        if persistence["aof_enabled"]:
            return []
        return ["Redis: no append-only file, a restart loses flags; `config set appendonly yes`"]

    def close(self) -> None:
        self._redis.close()

    def _wait_for_replicas(self) -> None:
        wanted = self._settings.min_replicas
        if not wanted:
            return
        with mapped_errors():
            held = int(self._redis.wait(wanted, int(self._settings.timeout.total_seconds() * 500)))
        if held < wanted:
            raise QueueUnavailable(f"Redis: {held} replicas hold the flags, expected {wanted}")


def _step_arguments(step: FlagStep) -> list[Any]:
    flag = step.flag
    return [
        step.step.value,
        flag.flag_id,
        flag.model_dump_json(),
        flag.severity.value,
        flag.metadata.viewers or 0,
        flag.peak,
        flag.stream_id,
        int(flag.opened_at.timestamp() * 1000),
        flag.policy,
        flag.model,
        flag.model_version,
        flag.audit.probability if flag.audit else "",
        flag.audit.stratum if flag.audit else "",
        flag.looks,
    ]


def _record(reply: dict[bytes, bytes]) -> StreamRecord:
    positions = {
        name[len(_POSITION) :].decode(): int(offset)
        for name, offset in reply.items()
        if name.startswith(_POSITION)
    }
    return StreamRecord(reply.get(b"state"), positions)
