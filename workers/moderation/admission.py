"""Admission: a Kafka record becomes an entry of its stream's lane, or a dead letter."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from dataclasses import replace

from schemas.errors import MessageRejected
from schemas.frames import EventType, FrameMessage, frame_message_from_record
from workers.moderation.accounting import Outcome
from workers.moderation.incidents import Arrival
from workers.moderation.lanes import Entry, Lane, Lanes
from workers.moderation.source import Record
from workers.review.intake import ReviewIntake


class Admission:
    """Reads contracts and puts messages in order; never looks into media."""

    def __init__(self, lanes: Lanes, queue: ReviewIntake, room_bytes: int) -> None:
        """`room_bytes` is the largest media that fits."""
        self._lanes = lanes
        self._queue = queue
        self._room_bytes = room_bytes
        self._serials = itertools.count(1)

    def admit(self, records: Sequence[Record]) -> list[Entry]:
        """Entries for records, each appended to its lane, in order.

        An entry whose stage is READY needs no decoding. One without an arrival has no lane.

        Raises:
            QueueUnavailable: The states of new streams cannot be read; nothing was admitted.
        """
        read = [(record, _read(record)) for record in records]
        self._open_lanes([m.stream_id for _, m in read if isinstance(m, FrameMessage)])
        return [self._entry(record, message) for record, message in read]

    def _open_lanes(self, stream_ids: Sequence[str]) -> None:
        unknown = sorted({name for name in stream_ids if name not in self._lanes})
        if not unknown:
            return
        for stream_id, stored in self._queue.load_states(unknown).items():
            self._lanes.add(stream_id, stored)

    def _entry(self, record: Record, message: FrameMessage | MessageRejected) -> Entry:
        if isinstance(message, MessageRejected):
            entry = Entry(next(self._serials), record, None, len(record.value or b""))
            entry.refuse("contract", str(message))
            return entry
        arrival = _arrival(record, message)
        # The media is in the record and, later, in the arena; never in both.
        entry = Entry(
            next(self._serials),
            record,
            arrival,
            len(message.data),
            message.content_type,
            message.dataref,
        )
        lane = self._lanes[message.stream_id]
        lane.seen_s = time.monotonic()
        lane.partition = record.partition
        self._judge(entry, lane, arrival)
        lane.taken_in = lane.taken_in.with_message(arrival.session_id, arrival.sequence)
        lane.entries.append(entry)
        return entry

    def _judge(self, entry: Entry, lane: Lane, arrival: Arrival) -> None:
        """Settles what needs no decoding."""
        if lane.stored.get(arrival.position, -1) >= arrival.offset:
            entry.is_decided = False
            entry.finish({Outcome.REPLAYED: 1})
        elif lane.taken_in.is_doubled(arrival.session_id, arrival.sequence):
            entry.is_decided = False
            entry.finish({Outcome.DUPLICATE: 1})
        elif arrival.ends_stream:
            entry.finish({})
        elif lane.is_set_aside:
            entry.refuse(
                "stream-set-aside",
                "decoders crashed or overran on this stream several times in a row; it is tried "
                "again shortly",
            )
        elif entry.size_bytes > self._room_bytes:
            entry.refuse("too-large", too_large_text(entry.size_bytes, self._room_bytes))


def too_large_text(size_bytes: int, room_bytes: int) -> str:
    return (
        f"got {size_bytes} bytes of media, room for {room_bytes}; send shorter segments or raise "
        "FLAGPOST_WORKER_MEMORY"
    )


def without_value(record: Record) -> Record:
    """The record once its media lies in the arena."""
    return replace(record, value=None)


def _read(record: Record) -> FrameMessage | MessageRejected:
    try:
        return frame_message_from_record(record.headers, record.value)
    except MessageRejected as rejection:
        return rejection


def _arrival(record: Record, message: FrameMessage) -> Arrival:
    return Arrival(
        stream_id=message.stream_id,
        session_id=message.session_id,
        sequence=message.sequence,
        captured_at=message.captured_at,
        metadata=message.metadata,
        topic=record.partition.topic,
        partition=record.partition.number,
        offset=record.offset,
        ends_stream=message.event_type is EventType.END_OF_STREAM,
    )
