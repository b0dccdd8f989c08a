"""Runs one stream from its source to the sink: opens, plays, reconnects, ends.

One session is one run of this for one stream, reconnects included: a gap shows in `captured_at`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from workers.errors import WorkerError
from workers.ingest.address import SourceAddress
from workers.ingest.backoff import Backoff
from workers.ingest.delivery import Delivery
from workers.ingest.plan import StreamPlan
from workers.ingest.playback import Player
from workers.ingest.sinks import FrameSink
from workers.ingest.source import OpenSource, SourceLost, SourceRefused, open_source
from workers.ingest.status import StreamState, StreamStatus

REPORT_INTERVAL_S: Final = 0.25
STOP_GRACE_S: Final = 1.0
"""How long a source may take to send something after a stop was asked for."""
log = logging.getLogger(__name__)


class Interrupted(WorkerError):
    """A recording broke off; playing it again would send its beginning twice."""


class StreamRunner:
    """One stream.

    Args:
        plan: What to do.
        sink: Takes the messages; not closed here.
        stopping: Ends everything soon when set; what is cut by then is published.
        report: Called now and then, and at the end, with the status.
    """

    def __init__(
        self,
        plan: StreamPlan,
        sink: FrameSink,
        stopping: threading.Event,
        report: Callable[[StreamStatus], None],
    ) -> None:
        self.status = StreamStatus(plan.stream_id, plan.address.shown)
        self._plan = plan
        self._stopping = stopping
        self._report = report
        self._working = threading.Lock()
        """Held but while the source is waited for."""
        self._is_over = threading.Event()
        self._delivery = Delivery(plan, sink, self.status, stopping)
        self._player = Player(
            plan, self._delivery, self.status, stopping, self._heard, self._awaiting_source
        )
        self._backoff = Backoff(plan.settings.backoff_min, plan.settings.backoff_max)
        self._heard_s = self._reported_s = time.monotonic()

    def run(self) -> None:
        """Returns when the stream has ended, was given up, can not be read, or ingest stops."""
        with self._working:
            self._run()
            self._is_over.set()

    def stops_without_source(self) -> bool:
        """After a stop was asked for: delivers what is cut while the source stays silent.

        FFmpeg cannot be interrupted while it waits for a source. Called on another thread; when
        it returns True, `run` never goes on and the process should end.
        """
        if self._is_over.wait(STOP_GRACE_S):
            return False
        self._working.acquire()
        if self._is_over.is_set():
            self._working.release()
            return False
        self._player.finish()
        self._delivery.flush()
        self._enter(StreamState.STOPPED)
        return True

    @contextmanager
    def _awaiting_source(self) -> Iterator[None]:
        self._working.release()
        try:
            yield
        finally:
            self._working.acquire()

    def _run(self) -> None:
        try:
            state = self._play_clips() if self._plan.address.is_recording else self._play_live()
        except (SourceRefused, Interrupted) as error:
            self.status.error = str(error)
            log.error("%s", error, extra=self._extra())
            state = StreamState.FAILED
        if state in (StreamState.ENDED, StreamState.LOST) or (
            state is StreamState.FAILED and self.status.messages
        ):
            self._delivery.end_of_stream()
        self._delivery.flush()
        self._enter(state)

    def _play_clips(self) -> StreamState:
        """Plays recordings in order; one that can not be read does not stop the others."""
        clips = self._plan.address.clips()
        starts_s = self._recording_starts_s(clips)
        while True:
            failures = [clip for clip in clips if not self._plays(clip, starts_s)]
            if self._stopping.is_set():
                return StreamState.STOPPED
            if len(failures) == len(clips):
                raise SourceRefused(self.status.error or f"{self._plan.address.shown}: no video")
            if not self._plan.loop:
                return StreamState.ENDED

    def _plays(self, clip: SourceAddress, starts_s: float) -> bool:
        if self._stopping.is_set():
            return True
        try:
            with self._opened(clip) as source:
                self._begin(source)
                self._player.play(source, starts_s)
        except (SourceRefused, SourceLost) as error:
            self._note_trouble(error)
            return False
        return True

    def _play_live(self) -> StreamState:
        while not self._stopping.is_set():
            self._enter(StreamState.CONNECTING)
            try:
                if self._plays_to_its_end():
                    return StreamState.ENDED
                trouble: WorkerError = SourceLost(f"{self.status.source}: the connection ended")
            except SourceLost as error:
                trouble = error
            except SourceRefused as error:
                if not self.status.messages:
                    raise
                trouble = error
            if not self._stopping.is_set() and not self._waits_for_next_attempt(trouble):
                return StreamState.LOST
        return StreamState.STOPPED

    def _plays_to_its_end(self) -> bool:
        """Plays one connection; True when the source came to an end that it had announced."""
        with self._opened(self._plan.address) as source:
            if source.is_recording and self.status.messages:
                # A live playlist that ended while we were away; what it holds was seen live.
                return True
            self._begin(source)
            starts_s = time.time() - (0.0 if self._plan.realtime else source.duration_s or 0.0)
            try:
                self._player.play(source, starts_s)
            except SourceLost as error:
                if source.is_recording:
                    raise Interrupted(f"{error}; a recording is not played twice") from error
                raise
            return source.is_finite and not self._stopping.is_set()

    @contextmanager
    def _opened(self, address: SourceAddress) -> Iterator[OpenSource]:
        settings = self._plan.settings
        opening = open_source(
            address,
            settings.read_timeout.total_seconds(),
            settings.segment_duration.total_seconds(),
        )
        with ExitStack() as stack:
            with self._awaiting_source():
                source = stack.enter_context(opening)
            yield source

    def _begin(self, source: OpenSource) -> None:
        status = self.status
        status.error = None
        status.width, status.height = source.size
        status.is_encoded = source.is_encoded
        if source.is_encoded:
            log.warning(
                "%s sends %s, which is not carried as it is: encoding H.264 here",
                source.address.shown,
                source.original_codec,
                extra=self._extra(),
            )
        else:
            log.info("playing %s (%s)", source.address.shown, source.codec, extra=self._extra())
        self._enter(StreamState.STREAMING)

    def _waits_for_next_attempt(self, trouble: WorkerError) -> bool:
        """Waits; False when the source has been away for too long."""
        silent_s = time.monotonic() - self._heard_s
        limit = self._plan.give_up_after
        if limit is not None and silent_s >= limit.total_seconds():
            self._note_trouble(trouble)
            return False
        self.status.reconnects += 1
        self._note_trouble(trouble)
        self._enter(StreamState.WAITING)
        self._stopping.wait(self._backoff.next_s())
        return True

    def _recording_starts_s(self, clips: tuple[SourceAddress, ...]) -> float:
        """A recording that is not played in real time counts as having ended just now."""
        if self._plan.realtime:
            return time.time()
        total_s = 0.0
        for clip in clips:
            try:
                with self._opened(clip) as source:
                    total_s += source.duration_s or 0.0
            except (SourceRefused, SourceLost):
                continue  # said when its turn to play comes
        return time.time() - total_s

    def _heard(self) -> None:
        """A packet came."""
        now_s = self._heard_s = time.monotonic()
        self._backoff.reset()
        if now_s - self._reported_s >= REPORT_INTERVAL_S:
            self._reported_s = now_s
            self._report(self.status)

    def _note_trouble(self, error: WorkerError) -> None:
        # Once for people; a camera that is away for a night would fill the log.
        is_new = self.status.error != str(error)
        self.status.error = str(error)
        log.log(logging.WARNING if is_new else logging.DEBUG, "%s", error, extra=self._extra())

    def _enter(self, state: StreamState) -> None:
        self.status.state = state
        self._report(self.status)
        log.debug("now %s", state.value, extra=self._extra())

    def _extra(self) -> dict[str, str]:
        return {"stream_id": self.status.stream_id, "session_id": self.status.session_id}
