"""What ingest sends, read by the worker's own decoder and clip cutter."""

from __future__ import annotations

import io
from itertools import pairwise

import av
import pytest

from schemas.frames import EventType
from tests.workers.ingest.clips import write_clip
from workers.moderation.clips import Part, remux
from workers.moderation.decode import DecodeLimits, decode_looks

LIMITS = DecodeLimits(max_pixels=1920 * 1080, time_limit_s=5.0)


@pytest.mark.parametrize("keyframes_only", [False, True])
@pytest.mark.parametrize(
    ("encoder", "suffix"),
    [("libx264", ".mp4"), ("libx264", ".ts"), ("libx265", ".mp4"), ("libsvtav1", ".mp4")],
)
def test_the_worker_decodes_each_form(run, tmp_path, encoder, suffix, keyframes_only, capfd):
    options = {"preset": "12", "svtav1-params": "lp=1"} if encoder == "libsvtav1" else None
    clip = write_clip(tmp_path / f"clip{suffix}", 3.0, codec=encoder, options=options)
    *messages, _ = run(clip, keyframes_only=keyframes_only).to_its_end()
    assert len(messages) == 3
    for message in messages:
        assert message.content_type is not None
        decoded = decode_looks(message.data, message.content_type, 2.0, LIMITS)
        assert (decoded.width, decoded.height) == (160, 96)
        assert [round(frame.pts_s, 3) for frame in decoded.frames] == [0.0]
        assert not any(frame.corrupt for frame in decoded.frames)


def test_every_keyframe_of_a_segment_is_marked_for_the_worker_to_find(run, tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", 3.0, gop=10)
    *messages, _ = run(clip).to_its_end()
    for message in messages:
        assert message.content_type is not None
        decoded = decode_looks(message.data, message.content_type, 30.0, LIMITS)
        assert len(decoded.frames) == 3


def test_the_worker_joins_segments_to_a_clip_without_a_hole(run, clip_mp4):
    messages = run(clip_mp4).to_its_end()
    parts = [
        Part(
            message.data,
            message.content_type,
            (message.captured_at - messages[0].captured_at).total_seconds(),
        )
        for message in messages
        if message.event_type is EventType.FRAMES and message.content_type is not None
    ]
    joined = remux(parts, LIMITS.max_pixels)
    assert joined is not None
    with av.open(io.BytesIO(joined.video), "r") as container:
        times = [frame.time for frame in container.decode(video=0)]
    assert len(times) == 120
    steps = [later - earlier for earlier, later in pairwise(time or 0.0 for time in times)]
    assert steps == pytest.approx([1 / 30] * 119, abs=0.002)
