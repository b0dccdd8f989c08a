"""Children may crash, hang or lie; jobs are answered once, and nothing else is lost."""

import os
import signal
from pathlib import Path

import pytest

from schemas.frames import ContentType
from tests import media
from tests.bundles import write_tiny_bundle
from tests.servers import wait_until
from workers.errors import ConfigurationRejected
from workers.moderation.arena import Arena
from workers.moderation.child import ChildConfig
from workers.moderation.crew import JOBS_PER_CHILD, Crew
from workers.moderation.jobs import (
    AnswerRejected,
    ClipJob,
    ClipMade,
    ClipPart,
    DecodeJob,
    Refused,
    Scored,
    outcome_from_message,
    packed,
    unpacked,
)

LIMIT_S = 1.0


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return write_tiny_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture
def arena():
    made = Arena(8 << 20)
    yield made
    made.close()


def config(arena: Arena, bundle: object) -> ChildConfig:
    return ChildConfig(
        arena_fd=arena.fd,
        arena_bytes=arena.size_bytes,
        socket_fd=-1,
        bundle=str(bundle),
        backend="onnxruntime",
        precision="fp32",
        device="cpu",
        rows_fd=-1,
        rows=0,
        width=224,
        height=224,
        max_pixels=10**7,
        time_limit_s=LIMIT_S,
        memory_bytes=6 << 30,
    )


@pytest.fixture
def crew(arena, bundle):
    made = Crew(2, config(arena, bundle), LIMIT_S)
    made.start()
    # All of it: a worker starts with the first child that is ready.
    wait_until(lambda: not made.poll(0.05) and made.free == 2 * JOBS_PER_CHILD, 30)
    yield made
    made.close()


def job(arena: Arena, serial: int, colour: media.Colour = media.CALM) -> DecodeJob:
    span = arena.put(media.segment((colour,) * 5))
    assert span is not None
    return DecodeJob(serial, span, ContentType.MPEG_TS, 2.0)


def answers(crew: Crew, count: int) -> dict:
    found: dict = {}

    def enough() -> bool:
        found.update((answer.serial, answer) for answer in crew.poll(0.1))
        return len(found) >= count

    wait_until(enough, 30)
    return found


def test_a_red_segment_scores_high_and_a_calm_one_low(crew, arena):
    crew.submit(job(arena, 1, media.RED))
    crew.submit(job(arena, 2, media.CALM))
    found = answers(crew, 2)
    assert found[1].looks[0].score > 0.9
    assert found[2].looks[0].score < 0.1


def test_media_that_cannot_be_decoded_is_refused_and_the_child_lives(crew, arena):
    pids = crew.pids
    span = arena.put(b"garbage" * 100)
    crew.submit(DecodeJob(1, span, ContentType.MPEG_TS, 2.0))
    assert answers(crew, 1)[1].reason == "content-type-mismatch"
    assert crew.pids == pids


def test_killing_every_decoder_loses_no_job(crew, arena):
    for serial in range(8):
        crew.submit(job(arena, serial))
    for pid in crew.pids:
        os.kill(pid, signal.SIGKILL)
    found = answers(crew, 8)
    assert all(isinstance(answer, Scored) for answer in found.values())
    assert crew.restarts == 2


def test_a_job_that_hangs_twice_is_refused_and_others_are_answered(crew, arena):
    for pid in crew.pids:
        os.kill(pid, signal.SIGSTOP)
    crew.submit(job(arena, 1))
    refused = answers(crew, 1)[1]
    assert isinstance(refused, Refused)
    assert refused.reason == "time-limit"
    crew.submit(job(arena, 2))
    assert isinstance(answers(crew, 1)[2], Scored)


def test_clip_and_pictures_come_back_in_one_answer(crew, arena):
    spans = [arena.put(media.segment()) for _ in range(2)]
    clip_parts = tuple(
        ClipPart(span, ContentType.MPEG_TS, float(number)) for number, span in enumerate(spans)
    )
    crew.submit(ClipJob(1, clip_parts, ((0, 0.0), (1, 0.5))))
    made = answers(crew, 1)[1]
    assert isinstance(made, ClipMade)
    assert made.clip is not None
    assert [jpeg[:2] for jpeg in made.pictures] == [b"\xff\xd8"] * 2


def test_a_bundle_that_cannot_be_opened_stops_the_start(arena, tmp_path):
    bad = write_tiny_bundle(tmp_path / "bundle")
    (bad / "model.onnx").write_bytes(b"not the model")
    crew = Crew(1, config(arena, bad), LIMIT_S)
    crew.start()
    try:
        with pytest.raises(ConfigurationRejected, match="SHA-256"):
            crew.wait_ready(30)
    finally:
        crew.close()


def test_children_get_no_secret_of_the_environment(crew):
    environment = Path(f"/proc/{crew.pids[0]}/environ").read_bytes()
    assert b"FLAGPOST" not in environment
    assert b"PASSWORD" not in environment


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\x80\x04pickle",
        b"[]\n",
        packed({"kind": "scored", "serial": 1}),
        packed({"kind": "refused", "serial": 1}),
        b'{"kind": "clip", "blobs": [9]}\nshort',
        packed({"kind": "strange", "serial": 1}),
    ],
)
def test_an_answer_that_no_healthy_child_sends_is_rejected(message):
    with pytest.raises(AnswerRejected):
        outcome_from_message(message)


def test_messages_keep_their_blobs_apart():
    header, blobs = unpacked(packed({"kind": "x"}, b"a\nb", b"", b"c"))
    assert (header["kind"], blobs) == ("x", [b"a\nb", b"", b"c"])
