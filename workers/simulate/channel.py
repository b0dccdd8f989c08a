"""One simulated stream: reels joined without a gap, and the truth about them on its clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

import numpy as np

from schemas.frames import ContentType, EventType, FrameMessage, StreamMetadata
from schemas.truth import AmbiguousSpan, TrueIncident
from workers.simulate.errors import PoolRejected
from workers.simulate.reels import Reel
from workers.simulate.segments import Segment, segments

Truth = TrueIncident | AmbiguousSpan
NextReel = Callable[[], Reel]
SOURCE: Final = "flagpost/simulate"


class Channel:
    """A live stream of seeded play.

    Args:
        stream_id: Its name on the topic.
        started_at: Capture time of its first frame.
        next_reel: Says what plays next.
        segment_s: Wanted length of a segment.
        title: What a viewer would read.
    """

    def __init__(
        self,
        stream_id: str,
        started_at: datetime,
        next_reel: NextReel,
        segment_s: float = 1.0,
        title: str = "Simulated play",
    ) -> None:
        self.stream_id = stream_id
        self.session_id = uuid4().hex
        self.position_s = 0.0
        """End of what has been played, on the stream's clock."""
        self._started_at = started_at
        self._next_reel = next_reel
        self._segment_s = segment_s
        self._metadata = StreamMetadata(title=title, category="games")
        self._sequence = 0
        self._pending: deque[Truth] = deque()
        self._segments = self._play()
        self._cued = next(self._segments)

    @property
    def next_end_s(self) -> float:
        """When, on the stream's clock, the last frame of the next message has been captured."""
        return self._cued.start_s + self._cued.duration_s

    def next_message(self) -> FrameMessage:
        """The next segment; it can be sent at `next_end_s`."""
        segment = self._cued
        self.position_s = self.next_end_s
        self._cued = next(self._segments)
        return self._message(
            EventType.FRAMES,
            captured_s=segment.start_s,
            duration=timedelta(seconds=segment.duration_s),
            content_type=ContentType.MPEG_TS,
            data=segment.data,
        )

    def truth_so_far(self) -> list[Truth]:
        """Truth that ended in what has been played and was not told before, in order of its end."""
        now = self._time(self.position_s)
        told: list[Truth] = []
        while self._pending and self._pending[0].ends_at <= now:
            told.append(self._pending.popleft())
        return told

    def end(self) -> tuple[list[Truth], FrameMessage]:
        """Ends the stream: truth that had begun, cut at its last frame, and the closing message."""
        now = self._time(self.position_s)
        cut = [t.model_copy(update={"ends_at": now}) for t in self._pending if t.starts_at < now]
        self._pending.clear()
        closing = self._message(EventType.END_OF_STREAM, captured_s=self.position_s)
        return cut, closing

    def _play(self) -> Iterator[Segment]:
        offset_s = 0.0
        while True:
            reel = self._next_reel()
            self._foresee(reel, offset_s)
            pieces = 0
            for segment in segments(reel.path, offset_s, self._segment_s, reel.duration_s):
                pieces += 1
                yield segment
            if not pieces:
                raise PoolRejected(f"{reel.path}: has no keyframe to start from; remove it")
            offset_s += reel.duration_s

    def _foresee(self, reel: Reel, offset_s: float) -> None:
        """Queues the truth of a reel; it is told only when its end has been played."""
        ids = {"stream_id": self.stream_id, "session_id": self.session_id}
        truths: list[Truth] = [
            TrueIncident(
                **ids,
                starts_at=self._time(offset_s + incident.start_s),
                ends_at=self._time(offset_s + incident.end_s),
                kills=incident.kills,
                damage_dealt=incident.damage_dealt,
                damage_taken=incident.damage_taken,
            )
            for incident in reel.incidents
        ]
        truths += [
            AmbiguousSpan(
                **ids,
                starts_at=self._time(offset_s + start_s),
                ends_at=self._time(offset_s + end_s),
            )
            for start_s, end_s in reel.ambiguous
        ]
        self._pending.extend(sorted(truths, key=lambda truth: truth.ends_at))

    def _time(self, position_s: float) -> datetime:
        return self._started_at + timedelta(seconds=position_s)

    def _message(
        self,
        event_type: EventType,
        captured_s: float,
        duration: timedelta = timedelta(0),
        content_type: ContentType | None = None,
        data: bytes = b"",
    ) -> FrameMessage:
        message = FrameMessage(
            event_type=event_type,
            source=SOURCE,
            stream_id=self.stream_id,
            session_id=self.session_id,
            sequence=self._sequence,
            captured_at=self._time(captured_s),
            duration=duration,
            content_type=content_type,
            metadata=self._metadata,
            data=data,
        )
        self._sequence += 1
        return message


def takes_from(reels: Callable[[], list[Reel]], seed: int) -> NextReel:
    """Draws reels of one size, none twice while there are others left that were not seen lately.

    Args:
        reels: The takes there are at the moment, never none.
        seed: Of this stream.
    """
    rng = np.random.default_rng(seed)
    recent: deque[Reel] = deque(maxlen=12)

    def draw() -> Reel:
        there = reels()
        if recent:
            there = [reel for reel in there if reel.size == recent[-1].size]
        fresh = [reel for reel in there if reel not in recent]
        # What was seen longest ago, where everything was seen.
        chosen = fresh[int(rng.integers(len(fresh)))] if fresh else recent[0]
        if chosen in recent:
            recent.remove(chosen)
        recent.append(chosen)
        return chosen

    return draw
