"""Flags and updates for tests of the queue."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from schemas.decisions import Decision, Reason, Verdict
from schemas.flags import Flag, Severity, flag_id_for
from schemas.frames import StreamMetadata
from workers.review.desk import Lease, ReviewDesk
from workers.review.records import FlagStep, Step, StreamUpdate

START = datetime(2026, 1, 1, tzinfo=UTC)


def flag(number: int = 0, severity: Severity = Severity.HIGH, viewers: int = 0, **changes) -> Flag:
    at = START + timedelta(seconds=number)
    values = {
        "flag_id": flag_id_for(f"s{number}", "violence", f"frames/0/{number}/0", at),
        "stream_id": f"s{number}",
        "session_id": "a",
        "severity": severity,
        "onset_at": at,
        "opened_at": at,
        "last_at": at,
        "looks": 3,
        "score": 0.9,
        "peak": 0.9,
        "threshold": 0.8,
        "model": "tiny",
        "model_version": "1",
        "metadata": StreamMetadata(viewers=viewers),
        "topic": "frames",
        "partition": 0,
        "offset": number,
        **changes,
    }
    return Flag(**values)


def update(found: Flag, step: Step = Step.OPEN, offset: int | None = None) -> StreamUpdate:
    position = found.offset if offset is None else offset
    return StreamUpdate(found.stream_id, "frames:0", position, b"state", (FlagStep(step, found),))


def decision(found: str, reviewer: str, epoch: int, verdict=Verdict.VIOLENT, request=None):
    explained = {"policy": "violence"} if verdict is Verdict.VIOLENT else {"reason": Reason.GAME}
    return Decision(
        flag_id=found,
        request_id=request or uuid4().hex,
        reviewer=reviewer,
        epoch=epoch,
        verdict=verdict,
        decided_at=START,
        **(explained if verdict is not Verdict.UNSURE else {}),
    )


def claimed(desk: ReviewDesk, reviewer: str) -> Lease:
    """What a reviewer gets from a queue that has something for them."""
    lease = desk.claim(reviewer)
    assert lease is not None
    return lease


def undone(desk: ReviewDesk, flag_id: str, reviewer: str) -> Lease:
    """The lease that a reviewer gets back with a verdict taken back in time."""
    _, lease = desk.undo(flag_id, reviewer)
    assert lease is not None
    return lease
