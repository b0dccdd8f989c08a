"""Every bad message is set aside with a reason that names it; no other stream is held up."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from kafka import KafkaConsumer, TopicPartition

from schemas.frames import ContentType, FrameMessage
from tests import media
from tests.scenarios.bench_of_streams import START, Bench, second
from tests.servers import wait_until

pytestmark = pytest.mark.scenario

Sender = Callable[[Bench, str], None]


def dead_letters(bench: Bench) -> list[dict[str, str]]:
    consumer = KafkaConsumer(bootstrap_servers=bench.kafka.bootstrap, auto_offset_reset="earliest")
    consumer.assign([TopicPartition(bench.dead_letters_topic, number) for number in range(4)])
    found: list[dict[str, str]] = []

    def read() -> bool:
        for batch in consumer.poll(timeout_ms=300).values():
            for record in batch:
                headers = {name: text.decode(errors="replace") for name, text in record.headers}
                found.append(headers | {"bytes": str(len(record.value or b""))})
        return bool(found)

    wait_until(read, 20)
    consumer.close()
    return found


def broken(**changes: bytes | None) -> Sender:
    """A good message with headers changed or, with None, left out."""

    def send(bench: Bench, stream_id: str) -> None:
        good = FrameMessage(
            source="test",
            stream_id=stream_id,
            session_id="a",
            sequence=0,
            captured_at=START,
            content_type=ContentType.MPEG_TS,
            data=second(is_red=False),
        )
        headers = dict(good.headers()) | changes
        kept = [(name, text) for name, text in headers.items() if text is not None]
        bench.publish_raw(stream_id, good.data, kept)

    return send


def of_media(data: bytes, content_type: ContentType = ContentType.MPEG_TS) -> Sender:
    return lambda bench, name: bench.publish(name, 0, data=data, content_type=content_type)


def with_reference(bench: Bench, stream_id: str) -> None:
    bench.publish(stream_id, 0, data=b"", dataref="http://169.254.169.254/latest/meta-data")


BAD: dict[str, tuple[Sender, str, str]] = {
    "unknown content type": (broken(**{"content-type": b"video/x"}), "contract", "content-type"),
    "wrong schema version": (
        broken(ce_type=b"org.flagpost.frames.v9"),
        "contract",
        "ce_type",
    ),
    "missing header": (broken(ce_streamid=None), "contract", "ce_streamid"),
    "header that is no number": (broken(ce_sequence=b"one"), "contract", "ce_sequence"),
    "truncated media": (of_media(second(is_red=False)[:188]), "", ""),
    "hostile playlist": (of_media(b"ffconcat version 1.0\nfile /etc/passwd"), "content-type", ""),
    "huge picture": (of_media(media.picture_bomb(), ContentType.PNG), "too-many-pixels", "pixels"),
    "no keyframe": (of_media(media.without_keyframe()), "no-keyframe", "keyframe"),
    "audio only": (of_media(media.audio_only()), "audio-only", "sound"),
    "reference that nobody allowed": (with_reference, "reference-not-allowed", "169.254"),
}


def test_bad_messages_are_set_aside_with_their_reason_and_good_streams_go_on(fast_bench):
    worker = fast_bench.worker()
    for number, (sender, _, _) in enumerate(BAD.values()):
        sender(fast_bench, f"bad-{number}")
    fast_bench.publish_raw("bad", b"", [])
    fast_bench.publish_seconds(["good"], 0, 20)
    wait_until(lambda: len(fast_bench.flags()) == 1, 60)
    wait_until(lambda: worker.has_settled(len(BAD) + 1 + 20), 60)
    letters = dead_letters(fast_bench)
    reasons = [letter["dl_reason"] + " " + letter["dl_detail"] for letter in letters]
    for name, (_, reason, names) in BAD.items():
        assert any(reason in text and names in text for text in reasons), f"{name}: {reasons}"
    numbers = worker.numbers()
    assert numbers["scored"] + numbers["dead_lettered"] == numbers["flagpost_frames_arrived_total"]
    assert all(letter["dl_offset"].isdigit() for letter in letters)


def test_a_message_larger_than_the_budget_is_set_aside(fast_bench, tmp_path):
    fast_bench.worker(
        FLAGPOST_WORKER_MEMORY=str(16 << 20),
        FLAGPOST_KAFKA_MAX_MESSAGE_BYTES=str(64 << 20),
        FLAGPOST_WORKER_DATAREF_PREFIXES=f"{tmp_path}/",
    )
    large = tmp_path / "large.ts"
    large.write_bytes(second(is_red=False) * 3000)
    assert large.stat().st_size > 16 << 20
    fast_bench.publish("big", 0, data=b"", dataref=str(large))
    fast_bench.publish_seconds(["good"], 0, 20)
    wait_until(lambda: len(fast_bench.flags()) == 1, 60)
    (letter,) = dead_letters(fast_bench)
    assert letter["dl_reason"] == "too-large"
    assert "FLAGPOST_WORKER_MEMORY" in letter["dl_detail"]


def test_doubled_and_late_messages_change_no_flag(fast_bench):
    worker = fast_bench.worker()
    order = [0, 1, 2, 4, 3, 3, 5, 6, 7, 6, 8, 9, *range(10, 20), 19]
    for sequence in order:
        fast_bench.publish("s", sequence, data=second(is_red=5 <= sequence < 10))
    fast_bench.flush()
    wait_until(lambda: worker.has_settled(len(order)), 60)
    assert len(fast_bench.flags()) == 1
    assert worker.numbers()["duplicate"] == 3


def test_a_clock_that_goes_backwards_neither_loses_nor_doubles_a_flag(fast_bench):
    worker = fast_bench.worker()
    for sequence in range(20):
        step_back = timedelta(minutes=5) if sequence >= 7 else timedelta(0)
        captured_at = START + timedelta(seconds=sequence) - step_back
        red = 5 <= sequence < 10
        fast_bench.publish("s", sequence, captured_at=captured_at, data=second(is_red=red))
    fast_bench.flush()
    wait_until(lambda: worker.has_settled(20), 60)
    assert len(fast_bench.flags()) == 1


def test_a_stream_that_changes_its_size_is_one_stream(fast_bench):
    fast_bench.worker()
    for sequence in range(20):
        size = (320, 180) if sequence < 7 else (640, 360)
        colour = media.RED if 5 <= sequence < 10 else media.CALM
        fast_bench.publish("s", sequence, data=media.segment((colour,) * 10, size=size))
    fast_bench.flush()
    wait_until(lambda: len(fast_bench.flags()) == 1, 60)
    wait_until(lambda: fast_bench.flags()[0].closed, 30)


def test_a_keyframe_inline_with_its_segment_by_reference_gets_a_clip(fast_bench, tmp_path):
    store = tmp_path / "segments"
    store.mkdir()
    fast_bench.worker(FLAGPOST_WORKER_DATAREF_PREFIXES=f"{store}/")
    for sequence in range(20):
        red = 5 <= sequence < 10
        reference = store / f"{sequence}.ts"
        reference.write_bytes(second(is_red=red))
        unit = media.access_unit(media.RED if red else media.CALM)
        kind = ContentType.H264
        fast_bench.publish("s", sequence, data=unit, content_type=kind, dataref=str(reference))
    fast_bench.flush()
    wait_until(lambda: len(fast_bench.flags()) == 1, 60)
    (flag,) = fast_bench.flags()
    assert flag.evidence.clip is not None
    assert flag.evidence.pictures


def test_nearly_nothing_but_refusals_stops_the_worker(fast_bench):
    worker = fast_bench.worker(FLAGPOST_WORKER_MAX_CONSECUTIVE_DEAD_LETTERS="20")
    for number in range(40):
        fast_bench.publish(f"s{number % 8}", number // 8, data=b"garbage" * 100)
    fast_bench.flush()
    wait_until(lambda: worker.process.poll() is not None, 60)
    assert worker.process.returncode == 3
    assert "flagpost deadletters list" in worker.log.read_text()
