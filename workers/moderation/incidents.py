"""What one message means for its stream: looks in, next state and flag operations out.

Pure functions; the state they return is stored with the flags, so that another worker goes on
exactly where this one stopped.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from pydantic import TypeAdapter

from engines.decision import (
    Change,
    DecisionState,
    IncidentRule,
    Look,
    Transition,
    end,
    observe,
)
from schemas.flags import Flag, Severity, flag_id_for
from schemas.frames import StreamMetadata, capture_time
from workers.moderation.score_trace import traced
from workers.review.records import FlagStep, Step


@dataclass(frozen=True, slots=True)
class Policy:
    """What flags say of the rule and model that raised them."""

    rule: IncidentRule
    model: str
    model_version: str
    name: str = "violence"
    severity: Severity = Severity.HIGH


@dataclass(frozen=True, slots=True)
class SequenceWindow:
    """Which of a session's last 64 sequence numbers were there: tells late from doubled.

    Attributes:
        session_id: Producer session of the newest message.
        newest: Highest sequence number seen in it, -1 before the first.
        seen: Bit `i` is set if `newest - i` was there.
    """

    session_id: str = ""
    newest: int = -1
    seen: int = 0

    def is_doubled(self, session_id: str, sequence: int) -> bool:
        """Whether the message was there before, or is too old to tell."""
        if session_id != self.session_id or sequence > self.newest:
            return False
        behind = self.newest - sequence
        return behind >= SEQUENCES_KEPT or bool(self.seen >> behind & 1)

    def with_message(self, session_id: str, sequence: int) -> SequenceWindow:
        if session_id != self.session_id:
            return SequenceWindow(session_id, sequence, 1)
        if sequence <= self.newest:
            return replace(self, seen=self.seen | 1 << min(self.newest - sequence, SEQUENCES_KEPT))
        moved = min(sequence - self.newest, SEQUENCES_KEPT)
        kept = (self.seen << moved | 1) & ((1 << SEQUENCES_KEPT) - 1)
        return SequenceWindow(session_id, sequence, kept)


@dataclass(frozen=True, slots=True)
class StreamState:
    """All that a worker must know of a stream before its next message.

    Attributes:
        decision: The rule's own memory.
        sequences: Which messages were there.
        flag: The flag of the incident in `decision`, while there is one.
    """

    decision: DecisionState = field(default_factory=DecisionState)
    sequences: SequenceWindow = field(default_factory=SequenceWindow)
    flag: Flag | None = None


@dataclass(frozen=True, slots=True)
class Arrival:
    """The facts of a message that decisions need; never its media."""

    stream_id: str
    session_id: str
    sequence: int
    captured_at: datetime
    metadata: StreamMetadata
    topic: str
    partition: int
    offset: int
    ends_stream: bool = False

    @property
    def position(self) -> str:
        return f"{self.topic}:{self.partition}"


SEQUENCES_KEPT: Final = 64
_STATE: Final = TypeAdapter(StreamState)


def bytes_from_state(state: StreamState) -> bytes:
    return _STATE.dump_json(state)


def state_from_bytes(text: bytes) -> StreamState:
    return _STATE.validate_json(text)


def fold(
    state: StreamState, arrival: Arrival, looks: tuple[tuple[float, float], ...], policy: Policy
) -> tuple[StreamState, tuple[FlagStep, ...]]:
    """Folds the looks of one message into its stream's state.

    Args:
        state: The stream before this message.
        arrival: The message.
        looks: (seconds after `captured_at`, calibrated score) of each scored frame, in order.
        policy: The rule and what flags say of it.

    Returns:
        The stream after this message and what changed for its flags, at most one step of a kind
        for each flag.
    """
    moves: list[_Move] = []
    decision = state.decision
    started_s = arrival.captured_at.timestamp()
    for number, (pts_s, score) in enumerate(looks):
        origin = f"{arrival.topic}/{arrival.partition}/{arrival.offset}/{number}"
        decision, changes = observe(decision, Look(started_s + pts_s, score), policy.rule, origin)
        moves += [_Move(change, _seen(change, decision)) for change in changes]
    if arrival.ends_stream:
        decision, changes = end(decision)
        moves += [_Move(change, ()) for change in changes]
    flag, steps = _flag_steps(state.flag, moves, arrival, policy)
    sequences = state.sequences.with_message(arrival.session_id, arrival.sequence)
    kept = flag if decision.incident is not None else None
    return StreamState(decision, sequences, kept), steps


@dataclass(frozen=True, slots=True)
class _Move:
    """A transition, and the looks that it adds to the incident's score trace."""

    transition: Transition
    looks: tuple[Look, ...]


def _seen(transition: Transition, decision: DecisionState) -> tuple[Look, ...]:
    """An opening shows the whole window that led to it, an extension its own look."""
    if transition.change is Change.OPENED:
        return decision.window
    return decision.window[-1:] if transition.change is Change.EXTENDED else ()


def _flag_steps(
    flag: Flag | None, moves: list[_Move], arrival: Arrival, policy: Policy
) -> tuple[Flag | None, tuple[FlagStep, ...]]:
    steps: list[FlagStep] = []
    for move in moves:
        transition = move.transition
        if transition.change is Change.OPENED:
            flag = _new_flag(move, arrival, policy)
            steps.append(FlagStep(Step.OPEN, flag))
            continue
        assert flag is not None, "a stored state with an incident always holds its flag"
        closed = transition.change is Change.CLOSED
        flag = _updated(flag, move, closed, arrival.metadata)
        if steps and steps[-1].flag.flag_id == flag.flag_id:
            steps[-1] = FlagStep(_merged(steps[-1].step, closed), flag)
        else:
            steps.append(FlagStep(Step.CLOSE if closed else Step.EXTEND, flag))
    return flag, tuple(steps)


def _merged(earlier: Step, closed: bool) -> Step:
    """One step for two: an opening stays one, whatever follows in the same message."""
    if earlier is Step.OPEN:
        return Step.OPEN
    return Step.CLOSE if closed else Step.EXTEND


def _new_flag(move: _Move, arrival: Arrival, policy: Policy) -> Flag:
    incident = move.transition.incident
    opened_at = capture_time(incident.opened_s)
    return Flag(
        flag_id=flag_id_for(arrival.stream_id, policy.name, incident.key, opened_at),
        stream_id=arrival.stream_id,
        session_id=arrival.session_id,
        policy=policy.name,
        severity=policy.severity,
        onset_at=capture_time(incident.onset_s),
        opened_at=opened_at,
        last_at=opened_at,
        looks=incident.looks,
        score=incident.median,
        peak=incident.peak,
        threshold=policy.rule.open_threshold,
        model=policy.model,
        model_version=policy.model_version,
        metadata=arrival.metadata,
        scores=traced((), move.looks),
        topic=arrival.topic,
        partition=arrival.partition,
        offset=arrival.offset,
    )


def _updated(flag: Flag, move: _Move, closed: bool, metadata: StreamMetadata) -> Flag:
    incident = move.transition.incident
    return flag.model_copy(
        update={
            "last_at": capture_time(incident.last_s),
            "looks": incident.looks,
            "score": incident.median,
            "peak": incident.peak,
            "closed": closed,
            "metadata": metadata,
            "scores": traced(flag.scores, move.looks),
        }
    )


def with_evidence(state: StreamState, flag: Flag) -> StreamState:
    """The state with the flag's evidence, so that later steps do not lose it."""
    if state.flag is None or state.flag.flag_id != flag.flag_id:
        return state
    return replace(state, flag=state.flag.model_copy(update={"evidence": flag.evidence}))
