"""The moderation worker: consume, decode and infer, decide, gather evidence, publish, commit.

One loop on the main thread moves messages from stage to stage; nothing in it waits except for the
crew's answers. Consuming, evidence writes and references have threads of their own.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import Final

from workers.errors import QueueUnavailable
from workers.moderation.accounting import FrameAccount, Outcome
from workers.moderation.admission import Admission
from workers.moderation.arena import Arena
from workers.moderation.cases import FIRST_SERIAL, CaseDesk
from workers.moderation.consume import Consumer
from workers.moderation.crew import Crew
from workers.moderation.deadletters import CircuitBreaker, Refusals
from workers.moderation.dispatch import Dispatcher
from workers.moderation.handover import HAND_OVER_S, HandOver
from workers.moderation.incidents import Policy, bytes_from_state, fold
from workers.moderation.jobs import ClipMade, Refused, Scored
from workers.moderation.jobs import Outcome as Answer
from workers.moderation.lanes import Entry, Lane, Lanes, PastPart, Stage
from workers.moderation.publish import Outgoing, Publisher
from workers.moderation.source import Positions, Record
from workers.moderation.watermark import OffsetLedger, Partition
from workers.review.records import FlagStep, Step, StreamUpdate
from workers.telemetry import Health, Metrics

logger = logging.getLogger(__name__)

TURN_S: Final = 0.05
GAUGES_EVERY_S: Final = 1.0
_STRIKING: Final = frozenset({"decoder-crashed", "time-limit"})


@dataclass(frozen=True, slots=True)
class Stages:
    """The parts of a worker, as `assembly` puts them together."""

    arena: Arena
    crew: Crew
    lanes: Lanes
    admission: Admission
    dispatcher: Dispatcher
    cases: CaseDesk
    publisher: Publisher
    refusals: Refusals
    breaker: CircuitBreaker


class Worker:
    """Moves messages through the stages until it is told to stop."""

    def __init__(
        self,
        stages: Stages,
        policy: Policy,
        account: FrameAccount,
        metrics: Metrics,
        health: Health,
    ) -> None:
        self._s = stages
        self._policy = policy
        self._account = account
        self._metrics = metrics
        self._health = health
        self._ledger = OffsetLedger()
        self._records: list[Record] = []
        self._epochs: dict[Partition, int] = {}
        self._given_up: dict[Partition, int] = {}
        self._hand_over = HandOver(stages.crew.wake)
        self._gauges_after_s = 0.0
        self._consumer: Consumer

    def drain(self, partitions: frozenset[Partition]) -> Positions:
        """Finishes work of partitions that move away; called on a thread of the Kafka client."""
        return self._hand_over.drain(partitions)

    def run(self, consumer: Consumer, stopping: threading.Event, drain_limit_s: float) -> None:
        """Works until `stopping` is set and the last drain is done.

        Raises:
            Fatal: The process must end; what was not committed is read again.
        """
        self._consumer = consumer
        consumer.start()
        try:
            self._work(consumer, stopping, drain_limit_s)
        finally:
            # Whatever ended the loop: the group must not wait for this member's session to end.
            self._hand_over.close()
            consumer.stop()
            consumer.join(HAND_OVER_S)
        if consumer.failure is not None:
            raise consumer.failure

    def _work(self, consumer: Consumer, stopping: threading.Event, drain_limit_s: float) -> None:
        stop_by_s: float | None = None
        while consumer.is_alive:
            self._turn()
            if consumer.failure is not None:
                consumer.stop()
            if stopping.is_set() and stop_by_s is None:
                # Stop taking; the source's last drain then waits for what is in work.
                stop_by_s = time.monotonic() + drain_limit_s
                consumer.stop()
                self._health.obstruct("stop", "draining")
            if stop_by_s is not None and time.monotonic() > stop_by_s:
                logger.warning("drain limit reached; open work is read again after the restart")
                return

    def _turn(self) -> None:
        self._health.beat("work")
        for answer in self._s.crew.poll(self._patience_s()):
            self._take(answer)
        for entry, scored in self._s.dispatcher.scored():
            self._note(entry, scored)
        self._admit()
        self._s.dispatcher.advance()
        for lane in self._s.lanes:
            if lane.entries:
                self._decide(lane)
        self._finish_cases()
        self._publish_refused()
        for entry in self._s.publisher.settled():
            self._settle(entry)
        if self._s.lanes.leaving:
            self._s.lanes.forget_left(self._s.publisher.stream_ids)
        self._consumer.commit(self._ledger.news())
        self._hand_over.serve(self)
        self._show_gauges()

    def _patience_s(self) -> float:
        if self._records and self._s.crew.free:
            return 0.0
        return max(0.0, min(TURN_S, self._s.publisher.wait_s))

    def _take(self, answer: Answer) -> None:
        """One answer of the crew."""
        if isinstance(answer, ClipMade) or answer.serial >= FIRST_SERIAL:
            assert not isinstance(answer, Scored)
            self._s.cases.answer(answer)
            return
        entry = self._s.dispatcher.answer(answer)
        if entry is not None:
            self._note(entry, answer)

    def _note(self, entry: Entry, answer: Scored | Refused) -> None:
        """Times and strikes of a message that is decoded and scored, or refused."""
        if entry.arrival is None:
            return
        lane = self._s.lanes[entry.arrival.stream_id]
        if isinstance(answer, Scored):
            lane.strikes = 0
            self._metrics.decode_time.inc(answer.decode_s)
            self._metrics.infer_time.inc(answer.infer_s)
            self._metrics.score_latency.observe(_age_s(entry))
        elif answer.reason in _STRIKING:
            lane.strike()

    def _admit(self) -> None:
        """Lets records in that Kafka delivered; while Redis is away they wait."""
        taken = self._not_given_up(self._consumer.take())
        self._note_assignments(taken)
        self._records += taken
        leaving = self._s.lanes.leaving
        admitted = [record for record in self._records if record.partition not in leaving]
        if not admitted:
            return
        try:
            entries = self._s.admission.admit(admitted)
        except QueueUnavailable as error:
            self._health.obstruct("redis", str(error))
            return
        self._records = [record for record in self._records if record.partition in leaving]
        for entry in entries:
            self._enter(entry)

    def _not_given_up(self, taken: list[Record]) -> list[Record]:
        """Leaves out what still came of an assignment whose waiting work was given up.

        Decided here, it would pass what was given up before it, and that would never be decided.
        """
        kept: list[Record] = []
        for record in taken:
            if self._given_up.get(record.partition, -1) < record.epoch:
                kept.append(record)
            else:
                self._consumer.free(len(record.value or b""))
        return kept

    def _note_assignments(self, taken: list[Record]) -> None:
        """A partition may come back after another worker had it, handed over or lost."""
        moved = {r.partition for r in taken if self._epochs.get(r.partition, r.epoch) != r.epoch}
        if moved:
            self._s.lanes.hand_over(frozenset(moved), self._s.publisher.stream_ids)
        self._epochs.update((record.partition, record.epoch) for record in taken)

    def _enter(self, entry: Entry) -> None:
        record = entry.record
        self._metrics.messages.inc()
        self._metrics.message_bytes.inc(entry.size_bytes)
        self._account.arrive(1)
        self._ledger.deliver(record.partition, record.offset, record.epoch)
        if entry.stage is not Stage.READY:
            self._s.dispatcher.offer(entry)
            return
        self._consumer.free(entry.size_bytes)
        if entry.arrival is None:
            self._leave(entry, None)

    def _decide(self, lane: Lane) -> None:
        """Folds finished messages of a stream into its state, in order."""
        for entry in lane.ready():
            assert entry.arrival is not None
            if not entry.is_decided:
                self._leave(entry, None)
                continue
            looks = tuple((look.pts_s, look.score) for look in entry.looks)
            state, steps = fold(lane.state, entry.arrival, looks, self._policy)
            self._remember(lane, entry)
            if any(step.step is Step.OPEN for step in steps):
                self._s.cases.open(lane, entry, state, steps)
            else:
                lane.state = state
                self._leave(entry, _update(entry, bytes_from_state(state), steps))

    def _remember(self, lane: Lane, entry: Entry) -> None:
        """Keeps what evidence may need: the media stays where it is until its room is needed."""
        if entry.looks and entry.arrival is not None and entry.content_type is not None:
            captured_s = entry.arrival.captured_at.timestamp()
            lane.past.append(
                PastPart(captured_s, entry.content_type, entry.span, entry.dataref, entry.looks)
            )

    def _finish_cases(self) -> None:
        for case in self._s.cases.finished():
            assert case.evidence is not None
            state, steps = case.with_evidence(case.evidence.result())
            case.lane.state = state
            self._leave(case.entry, _update(case.entry, bytes_from_state(state), steps))
            self._decide(case.lane)

    def _leave(self, entry: Entry, update: StreamUpdate | None) -> None:
        """The entry's fate is known: to Redis, and if it was refused, to the dead letters first."""
        # It was counted as one frame when it came; now its frames are known.
        self._account.arrive(sum(entry.outcomes.values()) - 1)
        outgoing = Outgoing(entry, update)
        if entry.refusal is None:
            self._s.breaker.good()
            self._s.publisher.add(outgoing)
        else:
            self._s.refusals.add(outgoing)

    def _publish_refused(self) -> None:
        for outgoing in self._s.refusals.acknowledged():
            refusal = outgoing.entry.refusal
            assert refusal is not None
            self._s.publisher.add(outgoing)
            self._metrics.dead_letters.labels(refusal.reason).inc()
            self._s.breaker.bad(outgoing.entry.record.key, refusal)

    def _settle(self, entry: Entry) -> None:
        """Redis holds its effect: count it, give its room back, let its offset be committed."""
        self._account.settle(entry.outcomes)
        self._s.dispatcher.release(entry)
        record = entry.record
        self._ledger.finish(record.partition, record.offset, record.epoch)
        if entry.opened_flag:
            self._metrics.flag_latency.observe(_age_s(entry))

    def give_up_waiting(self, partitions: frozenset[Partition]) -> None:
        """Drops what no decoder has begun; the next owner reads it again."""
        self._given_up |= {p: epoch for p, epoch in self._epochs.items() if p in partitions}
        moving = [record for record in self._records if record.partition in partitions]
        self._records = [record for record in self._records if record not in moving]
        for record in moving:
            self._consumer.free(len(record.value or b""))
        dropped = self._s.dispatcher.drop_waiting(
            lambda entry: entry.record.partition in partitions
        )
        for entry in dropped:
            self._abandon(entry)

    def _abandon(self, entry: Entry) -> None:
        """An entry that leaves without an effect; its offset stays uncommitted."""
        leaving = [entry]
        if entry.arrival is not None:
            leaving = self._s.lanes[entry.arrival.stream_id].give_up(entry)
        for each in leaving:
            self._account.settle({Outcome.HANDED_OVER: 1})
            self._ledger.give_up(each.record.partition)

    def is_unfinished(self, partitions: frozenset[Partition]) -> bool:
        """Something of these partitions is between its decoder and Redis."""
        return any(map(self._ledger.unfinished, partitions))

    def let_go(self, partitions: frozenset[Partition]) -> Positions:
        """Forgets partitions and their streams; returns what may be committed."""
        positions: dict[Partition, int] = {}
        for partition in partitions:
            position = self._ledger.position(partition)
            if position is not None:
                positions[partition] = position
            self._ledger.forget(partition)
        self._s.lanes.hand_over(partitions, self._s.publisher.stream_ids)
        return positions

    def _show_gauges(self) -> None:
        now_s = time.monotonic()
        if now_s < self._gauges_after_s:
            return
        self._gauges_after_s = now_s + GAUGES_EVERY_S
        self._metrics.held_bytes.set(self._s.arena.held_bytes)
        self._metrics.child_restarts.set(self._s.crew.restarts)
        self._metrics.streams.set(len(self._s.lanes))
        self._metrics.lag.set(self._consumer.lag)
        self._metrics.paused.set(int(self._consumer.is_paused))
        self._s.lanes.forget_idle()


def _update(entry: Entry, state: bytes, steps: tuple[FlagStep, ...]) -> StreamUpdate:
    assert entry.arrival is not None
    entry.opened_flag = any(step.step is Step.OPEN for step in steps)
    arrival = entry.arrival
    return StreamUpdate(arrival.stream_id, arrival.position, arrival.offset, state, steps)


def _age_s(entry: Entry) -> float:
    """Seconds since the message's Kafka timestamp."""
    return max(0.0, time.time() - entry.record.timestamp_ms / 1000)
