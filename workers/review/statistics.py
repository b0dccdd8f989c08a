"""What a queue holds, counted: for `flagpost queue stats`, the console and alerts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from schemas.frames import capture_time
from workers.review.scripts import connect, mapped_errors
from workers.settings import RedisSettings


@dataclass(frozen=True, slots=True)
class QueueStatistics:
    """Counts at one moment, on the server's clock."""

    ready: int
    leased: int
    parked: int
    escalated: int
    decided: int
    overdue: int
    oldest_due: datetime | None
    ready_by_severity: dict[str, int]


def queue_statistics(settings: RedisSettings) -> QueueStatistics:
    """Counts a queue; raises QueueUnavailable where Redis does not answer."""
    client = connect(settings)
    prefix = f"fq:{{{settings.queue}}}:"
    with mapped_errors():
        seconds, micros = client.time()
        now_ms = seconds * 1000 + micros // 1000
        pipe = client.pipeline(transaction=False)
        for name in ("ready", "leased", "parked", "escalated"):
            pipe.zcard(prefix + name)
        pipe.hget(prefix + "totals", "decided")
        pipe.zcount(prefix + "ready", "-inf", now_ms)
        pipe.zrange(prefix + "ready", 0, 0, withscores=True)
        pipe.zrange(prefix + "ready", 0, -1)
        replies: list[Any] = pipe.execute()
    ready, leased, parked, escalated, decided, overdue, oldest, ids = replies
    oldest_due = capture_time(oldest[0][1] / 1000) if oldest else None
    severities = _severities(client, prefix, ids)
    client.close()
    return QueueStatistics(
        ready, leased, parked, escalated, int(decided or 0), overdue, oldest_due, severities
    )


def _severities(client: Any, prefix: str, ids: list[bytes]) -> dict[str, int]:
    counts: dict[str, int] = {}
    with mapped_errors():
        pipe = client.pipeline(transaction=False)
        for flag_id in ids:
            pipe.hget(f"{prefix}f:{flag_id.decode()}", "severity")
        for severity in pipe.execute():
            name = severity.decode() if severity else "unknown"
            counts[name] = counts.get(name, 0) + 1
    return counts
