"""Streams in processes of their own: one that dies stops no other."""

from __future__ import annotations

import os
import signal
import threading
import time
from datetime import timedelta

import pytest

from schemas.frames import EventType
from tests.servers import wait_until
from tests.workers.ingest.clips import write_clip
from tests.workers.ingest.conftest import SETTINGS, messages_in
from tests.workers.ingest.servers import free_port, web_server
from workers.ingest.status import StreamState
from workers.ingest.supervisor import Supervisor

DRAIN = timedelta(seconds=10)


class Running:
    """A supervisor on a thread of the test."""

    def __init__(self, *plans):
        self.stopping = threading.Event()
        self.supervisor = Supervisor(plans, "INFO", self.stopping, DRAIN)
        self.thread = threading.Thread(target=self.supervisor.run, args=(lambda statuses: None,))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join(20)

    def status(self, number):
        return self.supervisor.statuses[number]


def test_a_dead_source_does_not_stop_the_other(plan, clip_mp4):
    dead = plan(f"rtsp://127.0.0.1:{free_port()}/x", stream_id="dead", give_up_after=None)
    with Running(dead, plan(clip_mp4, stream_id="alive")) as running:
        wait_until(lambda: running.status(1).state is StreamState.ENDED)
        wait_until(lambda: running.status(0).reconnects)
        assert running.status(1).messages == 4
    assert running.status(0).state is StreamState.STOPPED


def test_a_killed_process_is_started_again_and_the_other_goes_on(plan, clip_mp4, tmp_path):
    first = plan(clip_mp4, stream_id="a", loop=True, realtime=True)
    second = plan(clip_mp4, stream_id="b", loop=True, realtime=True)
    with Running(first, second) as running:
        wait_until(lambda: all(one.messages for one in running.supervisor.statuses))
        victim, other = running.supervisor.handles
        victim_pid, other_pid = victim.pid, other.pid
        first_session, before = running.status(0).session_id, running.status(0).messages
        assert victim_pid is not None
        os.kill(victim_pid, signal.SIGKILL)
        wait_until(lambda: running.status(0).messages > before)
        assert running.status(0).session_id != first_session
        assert other.pid == other_pid
    assert {message.stream_id for message in messages_in(tmp_path / "out")} == {"a", "b"}


def test_a_crash_is_said_and_a_recording_is_not_sent_twice(plan, clip_mp4, caplog):
    with Running(plan(clip_mp4, realtime=True)) as running:
        wait_until(lambda: running.status(0).messages)
        pid = running.supervisor.handles[0].pid
        assert pid is not None
        os.kill(pid, signal.SIGSEGV)
        wait_until(lambda: running.status(0).state is StreamState.FAILED)
    assert "ended by signal 11" in (running.status(0).error or "")


def test_log_lines_of_the_processes_come_up_with_their_stream(plan, clip_mp4, caplog):
    caplog.set_level("INFO")
    with Running(plan(clip_mp4)) as running:
        wait_until(lambda: running.status(0).state is StreamState.ENDED)
    assert any(getattr(record, "stream_id", "") == "s1" for record in caplog.records)


@pytest.mark.parametrize(("seconds", "expected"), [(12, 12), (0.2, 0)])
def test_a_stop_does_not_wait_for_a_source_that_is_silent(plan, tmp_path, seconds, expected):
    """Silent while it plays, and silent while it is opened."""
    patient = SETTINGS.model_copy(update={"read_timeout": timedelta(seconds=60)})
    write_clip(tmp_path / "clip.ts", seconds)
    with web_server(tmp_path) as server:
        silent = plan(server.url("silent"), settings=patient)
        supervisor = Supervisor([silent], "INFO", stopping := threading.Event(), 6 * DRAIN)
        thread = threading.Thread(target=supervisor.run, args=(lambda statuses: None,))
        thread.start()
        wait_until(lambda: server.requests)
        if expected:
            wait_until(lambda: supervisor.statuses[0].state is StreamState.STREAMING)
        began_s = time.monotonic()
        stopping.set()
        thread.join(40)
    assert time.monotonic() - began_s < 20
    assert supervisor.statuses[0].state is StreamState.STOPPED
    # What was cut when it fell silent is there, and no end of stream is claimed.
    kinds = [message.event_type for message in messages_in(tmp_path / "out")]
    assert kinds == [EventType.FRAMES] * expected
