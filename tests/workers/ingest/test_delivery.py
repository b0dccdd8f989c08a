from __future__ import annotations

from datetime import timedelta

import pytest

from tests.workers.ingest.conftest import Run, messages_in
from workers.errors import BrokerUnavailable
from workers.frames_topic import RecordRefused
from workers.ingest.backoff import Backoff
from workers.ingest.sinks import DirectorySink
from workers.ingest.status import StreamState
from workers.ingest.stream import StreamRunner


class TroubledSink(DirectorySink):
    """A directory whose first publications fail, as Kafka's may."""

    def __init__(self, directory, *troubles):
        super().__init__(directory)
        self.troubles = list(troubles)

    def publish(self, message):
        if self.troubles:
            raise self.troubles.pop(0)
        super().publish(message)


def troubled(plan, sink):
    stream = Run(plan)
    stream.runner = StreamRunner(plan, sink, stream.stopping, lambda status: None)
    return stream


def test_a_broker_that_is_away_is_waited_for(plan, clip_mp4, tmp_path):
    sink = TroubledSink(tmp_path / "out", *(BrokerUnavailable("away") for _ in range(3)))
    stream = troubled(plan(clip_mp4), sink)
    messages = stream.to_its_end()
    assert [message.sequence for message in messages] == [0, 1, 2, 3, 4]
    assert stream.status.dropped == {"broker-unavailable": 3}


def test_a_message_that_the_broker_refuses_does_not_stop_the_stream(plan, clip_mp4, tmp_path):
    sink = TroubledSink(tmp_path / "out", RecordRefused("too large"))
    stream = troubled(plan(clip_mp4), sink)
    stream.to_its_end()
    assert stream.status.state is StreamState.ENDED
    assert stream.status.messages == 3
    assert stream.status.dropped == {"too-large": 1}


def test_a_stop_ends_the_wait_for_a_broker(plan, clip_mp4, tmp_path):
    sink = TroubledSink(tmp_path / "out", *(BrokerUnavailable("away") for _ in range(10_000)))
    stream = troubled(plan(clip_mp4), sink)
    stream.thread = type(stream.thread)(target=stream.runner.run)
    stream.thread.start()
    stream.stopping.set()
    stream.thread.join(5)
    assert not stream.thread.is_alive()
    assert messages_in(tmp_path / "out") == []


@pytest.mark.parametrize("seed", range(5))
def test_waits_grow_stay_within_bounds_and_begin_anew(seed):
    backoff = Backoff(timedelta(seconds=0.5), timedelta(seconds=30), seed)
    waits = [backoff.next_s() for _ in range(30)]
    assert all(0.5 <= wait <= 30 for wait in waits)
    assert max(waits) > 5
    backoff.reset()
    assert backoff.next_s() <= 1.5
