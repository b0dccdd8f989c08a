"""`flagpost ingest` as an operator runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest
from kafka import KafkaConsumer

from schemas.frames import EventType, frame_message_from_record
from tests.servers import create_topics, wait_until
from tests.workers.ingest.conftest import messages_in
from tests.workers.ingest.servers import PASSWORD, free_port
from workers.ingest.command import exit_code
from workers.ingest.status import StreamState, StreamStatus

QUICK = {
    "FLAGPOST_INGEST_SEGMENT_DURATION": "PT1S",
    "FLAGPOST_INGEST_READ_TIMEOUT": "PT2S",
    "FLAGPOST_INGEST_BACKOFF_MIN": "PT0.02S",
    "FLAGPOST_INGEST_BACKOFF_MAX": "PT0.1S",
}


def start(*arguments, **environment):
    return subprocess.Popen(
        [sys.executable, "-m", "workers.cli", "ingest", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **QUICK, **environment},
    )


def finished(*arguments, **environment):
    process = start(*arguments, **environment)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def test_a_recording_goes_to_a_directory_and_the_last_line_says_how_it_went(clip_mp4, tmp_path):
    code, out, _ = finished(clip_mp4, "--output", tmp_path, "--language", "en", "--json")
    summary = json.loads(out.splitlines()[-1])
    assert code == 0
    assert summary["messages"] == 4
    assert summary["streams"][0]["state"] == "ended"
    assert messages_in(tmp_path)[0].metadata.language == "en"


def test_two_sources_of_which_one_is_dead_send_what_there_is(clip_mp4, tmp_path):
    dead = f"rtsp://u:{PASSWORD}@127.0.0.1:{free_port()}/x"
    code, out, err = finished(
        *(clip_mp4, dead, "--stream-id", "good", "--stream-id", "dead"),
        *("--output", tmp_path, "--give-up-after", "0.2"),
    )
    assert code == 75
    assert "good: ended, 4 messages" in out
    assert "dead: lost" in out
    assert "***@127.0.0.1" in out
    assert PASSWORD not in out + err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["gopher://h/x"], 3, "'gopher'"),
        (["/no/such.mp4"], 3, "no such file"),
        (["{clip}", "--stream-id", "a b"], 2, "--stream-id 'a b'"),
        (["{clip}", "{clip}"], 2, "--stream-id, once per URL"),
        (["{clip}", "--stream-id", "a", "--stream-id", "b"], 2, "got 2 for 1 URLs"),
        (["{clip}", "--segment-store", "x"], 2, "goes with --keyframes"),
        (["{clip}", "--keyframes", "--segment-store", "nowhere://x"], 3, "--segment-store"),
        (["{clip}", "--title", "x" * 600], 2, "--title"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_mends_it(clip_mp4, tmp_path, arguments, code, said):
    texts = [text.replace("{clip}", str(clip_mp4)) for text in arguments]
    got, _, err = finished(*texts, "--output", tmp_path)
    assert got == code
    assert said in err
    assert "Traceback" not in err


def test_kafka_that_does_not_answer_is_said_before_anything_starts(clip_mp4):
    code, _, err = finished(
        clip_mp4,
        FLAGPOST_KAFKA_BOOTSTRAP=f"127.0.0.1:{free_port()}",
        FLAGPOST_KAFKA_BOOTSTRAP_TIMEOUT="PT1S",
    )
    assert code == 75
    assert "Traceback" not in err


def test_sigterm_drains_and_ends_well(clip_mp4, tmp_path):
    process = start(clip_mp4, "--loop", "--output", tmp_path, "--json")
    wait_until(lambda: list(tmp_path.rglob("*.json")))
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=20)
    summary = json.loads(out.splitlines()[-1])
    assert process.returncode == 0
    assert summary["streams"][0]["state"] == "stopped"
    assert summary["messages"] == len(messages_in(tmp_path))


def test_segments_arrive_on_kafka_in_order_under_their_stream(clip_mp4, tansu):
    topic = f"frames-{free_port()}"
    create_topics(tansu.address, 2, topic)
    code, _, err = finished(
        *(clip_mp4, "--stream-id", "arena"),
        FLAGPOST_KAFKA_BOOTSTRAP=tansu.address,
        FLAGPOST_KAFKA_FRAMES_TOPIC=topic,
    )
    assert code == 0, err
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=tansu.address,
        auto_offset_reset="earliest",
        consumer_timeout_ms=3000,
    )
    records = list(consumer)
    consumer.close()
    messages = [frame_message_from_record(record.headers, record.value) for record in records]
    assert {record.key for record in records} == {b"arena"}
    assert [message.sequence for message in messages] == [0, 1, 2, 3, 4]
    assert messages[-1].event_type is EventType.END_OF_STREAM


@pytest.mark.parametrize(
    ("states", "code"),
    [
        ([StreamState.ENDED, StreamState.STOPPED], 0),
        ([StreamState.ENDED, StreamState.LOST], 75),
        ([StreamState.LOST, StreamState.FAILED], 1),
    ],
)
def test_the_exit_code_tells_the_worst_that_happened(states, code):
    assert exit_code([StreamStatus("s", "x", state=state) for state in states]) == code
