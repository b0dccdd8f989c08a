"""Cuts a stream of encoded packets into segments that begin with a keyframe. Pure.

A segment ends at the first keyframe near the wanted duration; at once where size, codec or time
change; at a limit of bytes or time where no keyframe comes. Then packets are dropped up to the next
keyframe, and counted by reason.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from typing import Final

from workers.ingest.bitstream import Codec, parameter_sets, with_parameter_sets
from workers.ingest.timeline import TICKS_PER_SECOND, EncodedPacket

_EARLY: Final = 0.1
"""Share of the wanted duration by which a keyframe may come early and still end a segment."""
_TS_PACKET: Final = 188
_TS_PAYLOAD: Final = 184
_PES_HEADER: Final = 40
_TABLES: Final = 4 * _TS_PACKET
_GOP_MARGIN: Final = 1.25


class DropReason(StrEnum):
    """Why packets or messages were left out."""

    NO_KEYFRAME = "no-keyframe"
    """Nothing decodable: before the first keyframe, after a gap, or past a limit."""
    NO_PARAMETERS = "no-parameter-sets"
    """A keyframe that no decoder can open."""
    TOO_LARGE = "too-large"
    """More than a message may hold."""
    BROKER = "broker-unavailable"
    """Kafka did not take it in time."""
    STORE = "segment-store"
    """The segment store did not take it; the message went without a reference."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Packets from one keyframe to before another; times in ticks of the media clock."""

    codec: Codec
    packets: tuple[EncodedPacket, ...] = field(repr=False)
    starts: int
    ends: int

    @property
    def duration(self) -> timedelta:
        return timedelta(seconds=(self.ends - self.starts) / TICKS_PER_SECOND)

    @property
    def ends_s(self) -> float:
        return self.ends / TICKS_PER_SECOND

    @property
    def starts_s(self) -> float:
        return self.starts / TICKS_PER_SECOND

    @property
    def keyframe(self) -> EncodedPacket:
        return self.packets[0]


class KeyframeGate:
    """Lets keyframes through that a decoder can open, with their parameter sets in front."""

    def __init__(self) -> None:
        self._sets: dict[Codec, bytes] = {}
        self._sequence = b""

    def learn(self, codec: Codec, sets: bytes) -> None:
        """Parameter sets that a container holds outside the packets; empty: it holds none."""
        if sets:
            self._sets[codec] = sets

    def opened(self, packet: EncodedPacket) -> tuple[EncodedPacket, bool] | None:
        """The keyframe ready to open a segment, and whether size or profile changed with it.

        None where no parameter sets are known.
        """
        sets, sequence = parameter_sets(packet.codec, packet.data)
        if not sequence:
            if packet.codec not in self._sets:
                return None
            sets = self._sets[packet.codec]
            data = with_parameter_sets(packet.codec, packet.data, sets)
            return replace(packet, data=data), False
        self._sets[packet.codec] = sets
        changed = bool(self._sequence) and self._sequence != sequence
        self._sequence = sequence
        return packet, changed


class Segmenter:
    """Packets in, segments out.

    Args:
        wanted_s: Duration that segments should have; they are as long as the source's distance
            between keyframes where that is longer.
        limit_bytes: Most bytes of a segment once it is in MPEG-TS.
        limit_s: Longest segment.
        gate: Knows the parameter sets.
    """

    def __init__(
        self,
        wanted_s: float,
        limit_bytes: int,
        limit_s: float = 60.0,
        gate: KeyframeGate | None = None,
    ) -> None:
        self.gate = gate or KeyframeGate()
        self.dropped: Counter[DropReason] = Counter()
        self._wanted = round(wanted_s * TICKS_PER_SECOND)
        self._limit_bytes = limit_bytes
        self._limit = round(limit_s * TICKS_PER_SECOND)
        self._packets: list[EncodedPacket] = []
        self._bytes = 0
        self._gop_began_bytes = 0

    def push(self, packet: EncodedPacket) -> Segment | None:
        """Takes the next packet; returns the segment that it ended, if any."""
        ended = self.flush() if packet.follows_gap else None
        if packet.is_keyframe:
            opened = self.gate.opened(packet)
            if opened is None:
                self.dropped[DropReason.NO_PARAMETERS] += 1
                return ended
            packet, changed = opened
            if self._packets and (changed or self._is_enough(packet)):
                ended = self._closed(packet.pts)
            self._gop_began_bytes = self._bytes
        elif not self._packets:
            self.dropped[DropReason.NO_KEYFRAME] += 1
            return ended
        return self._add(packet) or ended

    def flush(self) -> Segment | None:
        """The segment that is open, up to its last packet; the next one waits for a keyframe."""
        if not self._packets:
            return None
        return self._closed(max(packet.pts + packet.duration for packet in self._packets))

    def _is_enough(self, keyframe: EncodedPacket) -> bool:
        first = self._packets[0]
        if keyframe.codec is not first.codec:
            return True
        group_bytes = (self._bytes - self._gop_began_bytes) * _GOP_MARGIN
        if self._bytes + group_bytes > self._limit_bytes:
            return True
        return keyframe.pts - first.pts >= self._wanted * (1 - _EARLY)

    def _add(self, packet: EncodedPacket) -> Segment | None:
        cost = _bytes_in_ts(packet)
        is_first = not self._packets
        if _TABLES + self._bytes + cost > self._limit_bytes:
            self.dropped[DropReason.TOO_LARGE if is_first else DropReason.NO_KEYFRAME] += 1
            return self.flush()
        if not is_first and packet.pts - self._packets[0].pts > self._limit:
            self.dropped[DropReason.NO_KEYFRAME] += 1
            return self.flush()
        self._packets.append(packet)
        self._bytes += cost
        return None

    def _closed(self, ends: int) -> Segment:
        packets, self._packets = tuple(self._packets), []
        self._bytes = self._gop_began_bytes = 0
        return Segment(packets[0].codec, packets, packets[0].pts, max(ends, packets[0].pts + 1))


def _bytes_in_ts(packet: EncodedPacket) -> int:
    return -(-(len(packet.data) + _PES_HEADER) // _TS_PAYLOAD) * _TS_PACKET
