from __future__ import annotations

import io
import time
from datetime import timedelta
from itertools import pairwise

import av
import pytest

from schemas.frames import ContentType, EventType
from tests.servers import wait_until
from tests.workers.ingest.clips import picture_units, write_audio, write_clip
from tests.workers.ingest.conftest import messages_in
from workers.ingest.address import source_address
from workers.ingest.source import SourceRefused, open_source
from workers.ingest.status import StreamState
from workers.moderation.references import ReferenceReader


def decoded(media: bytes, format: str | None = None) -> list[av.VideoFrame]:
    with av.open(io.BytesIO(media), "r", format=format) as container:
        return list(container.decode(video=0))


def packets(media: bytes | str) -> list[av.Packet]:
    with av.open(io.BytesIO(media) if isinstance(media, bytes) else media, "r") as container:
        return [one for one in container.demux(video=0) if one.size]


@pytest.mark.parametrize("suffix", [".mp4", ".ts", ".flv", ".mkv", ".mov"])
def test_every_picture_arrives_with_the_bytes_it_had(run, tmp_path, suffix):
    clip = write_clip(tmp_path / f"clip{suffix}", 3.0)
    *segments, end = run(clip).to_its_end()
    assert end.event_type is EventType.END_OF_STREAM
    with av.open(str(clip), "r") as container:
        stream = container.streams.video[0]
        to_annex_b = av.BitStreamFilterContext("h264_mp4toannexb", stream)
        sent = [bytes(o) for p in container.demux(stream) if p.size for o in to_annex_b.filter(p)]
    received = [bytes(one) for message in segments for one in packets(message.data)]
    assert [picture_units(one) for one in received] == [picture_units(one) for one in sent]
    assert len(received) == 90


def test_a_transport_stream_is_copied_to_the_byte(run, clip_ts):
    *segments, _ = run(clip_ts).to_its_end()
    received = [bytes(one) for message in segments for one in packets(message.data)]
    assert received == [bytes(one) for one in packets(str(clip_ts))]


@pytest.mark.parametrize("encoder", ["libx264", "libx265"])
def test_each_segment_decodes_alone_and_begins_with_a_keyframe(run, tmp_path, encoder):
    clip = write_clip(tmp_path / "clip.mp4", 3.0, codec=encoder)
    *segments, _ = run(clip).to_its_end()
    for message in segments:
        frames = decoded(message.data)
        assert message.content_type is ContentType.MPEG_TS
        assert message.duration == timedelta(seconds=1)
        assert packets(message.data)[0].is_keyframe
        assert len(frames) == 30
        assert not any(frame.is_corrupt for frame in frames)


def test_timestamps_go_on_from_segment_to_segment(run, clip_mp4):
    *segments, _ = run(clip_mp4).to_its_end()
    times = sorted(one.pts or 0 for message in segments for one in packets(message.data))
    assert {later - earlier for earlier, later in pairwise(times)} == {3000}
    for earlier, later in pairwise(segments):
        assert later.captured_at - earlier.captured_at == timedelta(seconds=1)


def test_messages_are_numbered_within_one_session_and_carry_the_metadata(run, clip_mp4):
    messages = run(clip_mp4).to_its_end()
    assert [message.sequence for message in messages] == list(range(len(messages)))
    assert len({message.session_id for message in messages}) == 1
    assert {message.metadata.title for message in messages} == {"Arena"}


def test_av1_travels_in_fragmented_mp4(run, tmp_path, capfd):
    options = {"preset": "12", "svtav1-params": "lp=1"}
    clip = write_clip(tmp_path / "clip.mp4", 2.0, codec="libsvtav1", options=options)
    *segments, _ = run(clip).to_its_end()
    assert {message.content_type for message in segments} == {ContentType.FRAGMENTED_MP4}
    assert sum(len(decoded(message.data)) for message in segments) == 60


def test_a_codec_that_is_not_carried_is_encoded_and_says_so(run, tmp_path, caplog):
    clip = write_clip(tmp_path / "clip.mkv", 2.0, codec="mjpeg")
    stream = run(clip)
    *segments, _ = stream.to_its_end()
    assert "encoding H.264" in caplog.text
    assert stream.status.is_encoded
    assert [len(decoded(message.data)) for message in segments] == [30, 30]


def test_keyframes_travel_alone(run, clip_mp4):
    *messages, _ = run(clip_mp4, keyframes_only=True).to_its_end()
    assert len(messages) == 4
    for message in messages:
        assert message.content_type is ContentType.H264
        assert message.dataref is None
        assert len(decoded(message.data, "h264")) == 1


def test_keyframes_point_to_their_segment_in_the_store(run, clip_mp4, tmp_path):
    store = tmp_path / "store"
    *messages, _ = run(clip_mp4, keyframes_only=True, segment_store=str(store)).to_its_end()
    reader = ReferenceReader((f"{store}/",), 10**7)  # as a worker reads it
    for message in messages:
        assert message.dataref is not None
        segment = reader.read(message.dataref)
        assert len(decoded(segment)) == 30
        assert picture_units(bytes(packets(segment)[0])) == picture_units(message.data)


def test_a_store_that_refuses_costs_the_reference_but_not_the_message(run, clip_mp4, tmp_path):
    store = tmp_path / "store"
    store.write_text("a file where a directory should be")
    stream = run(clip_mp4, keyframes_only=True, segment_store=str(store))
    *messages, _ = stream.to_its_end()
    assert [message.dataref for message in messages] == [None] * 4
    assert stream.status.dropped == {"segment-store": 4}


def test_a_size_change_within_a_file_starts_a_new_segment(run, tmp_path):
    small = write_clip(tmp_path / "a.ts", 1.5)
    large = write_clip(tmp_path / "b.ts", 1.5, size=(320, 192))
    both = tmp_path / "both.ts"
    both.write_bytes(small.read_bytes() + large.read_bytes())
    *segments, _ = run(both).to_its_end()
    sizes = [{(f.width, f.height) for f in decoded(message.data)} for message in segments]
    assert all(len(size) == 1 for size in sizes)
    assert [max(size) for size in sizes] == [(160, 96), (160, 96), (320, 192), (320, 192)]
    times = [one.dts or 0 for message in segments for one in packets(message.data)]
    assert all(earlier < later for earlier, later in pairwise(times))


def test_a_codec_change_within_a_file_goes_on_with_the_new_codec(run, tmp_path):
    first = write_clip(tmp_path / "a.ts", 2.0)
    second = write_clip(tmp_path / "b.ts", 4.0, codec="libx265")
    both = tmp_path / "both.ts"
    both.write_bytes(first.read_bytes() + second.read_bytes())
    *segments, _ = run(both).to_its_end()
    with_codecs = []
    for message in segments:
        with av.open(io.BytesIO(message.data), "r") as container:
            with_codecs.append(container.streams.video[0].codec_context.name)
    assert with_codecs[0] == "h264"
    assert with_codecs[-1] == "hevc"


def test_a_directory_is_one_stream_on_one_clock(run, tmp_path):
    clips = tmp_path / "clips"
    clips.mkdir()
    write_clip(clips / "1.mp4", 1.0)
    (clips / "2.mp4").write_bytes(b"no video at all")
    write_clip(clips / "3.ts", 1.0, codec="libx265")
    stream = run(clips)
    *segments, end = stream.to_its_end()
    assert stream.status.state is StreamState.ENDED
    assert [message.sequence for message in segments] == [0, 1]
    assert segments[1].captured_at - segments[0].captured_at == timedelta(seconds=1)
    assert end.event_type is EventType.END_OF_STREAM


def test_looping_never_turns_the_clock_back(run, tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", 0.5)
    stream = run(clip, loop=True)
    stream.thread.start()
    wait_until(lambda: stream.status.messages >= 4)
    stream.stopping.set()
    stream.thread.join()
    segments = messages_in(stream.output)
    assert all(a.captured_at < b.captured_at for a, b in pairwise(segments))
    assert stream.status.state is StreamState.STOPPED
    assert all(message.event_type is EventType.FRAMES for message in segments)


def test_realtime_plays_a_recording_at_its_own_speed(run, clip_mp4):
    began_s = time.monotonic()
    run(clip_mp4, realtime=True).to_its_end()
    assert 3.5 < time.monotonic() - began_s < 8.0


def test_a_stop_publishes_what_was_cut_and_ends_without_an_end_of_stream(run, clip_mp4):
    stream = run(clip_mp4, realtime=True)
    stream.thread.start()
    wait_until(lambda: stream.status.state is StreamState.STREAMING)
    wait_until(lambda: stream.status.messages)
    stream.stopping.set()
    stream.thread.join(5)
    messages = messages_in(stream.output)
    assert all(message.event_type is EventType.FRAMES for message in messages)
    assert len(messages) == stream.status.messages
    assert decoded(messages[-1].data)


def test_audio_without_video_is_refused_with_what_it_has(tmp_path):
    clip = write_audio(tmp_path / "sound.mp4")
    with (
        pytest.raises(SourceRefused, match="no video, only audio"),
        open_source(source_address(str(clip)), 2.0, 1.0),
    ):
        pass


def test_sound_beside_the_video_is_left_out(run, tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", 1.0, audio=True)
    *segments, _ = run(clip).to_its_end()
    with av.open(io.BytesIO(segments[0].data), "r") as container:
        assert [stream.type for stream in container.streams] == ["video"]


@pytest.mark.parametrize("content", [b"", b"hello", b"#EXTM3U\n", b"ffconcat version 1.0\n"])
def test_a_file_that_is_no_video_fails_with_a_reason(run, tmp_path, content):
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    stream = run(path)
    assert stream.to_its_end() == []
    assert stream.status.state is StreamState.FAILED
    assert "clip.mp4: " in (stream.status.error or "")


def test_a_file_that_names_another_file_is_not_followed(run, clip_ts, tmp_path):
    path = tmp_path / "list.ts"
    path.write_text(f"ffconcat version 1.0\nfile {clip_ts.name}\n")
    (tmp_path / clip_ts.name).write_bytes(clip_ts.read_bytes())
    assert run(path).to_its_end() == []


def test_a_truncated_file_gives_what_it_has(run, clip_ts, tmp_path):
    path = tmp_path / "cut.ts"
    path.write_bytes(clip_ts.read_bytes()[: clip_ts.stat().st_size * 6 // 10])
    *segments, end = run(path).to_its_end()
    assert 2 <= len(segments) <= 3
    assert end.event_type is EventType.END_OF_STREAM


def test_a_message_limit_smaller_than_a_keyframe_drops_and_counts(run, clip_mp4):
    stream = run(clip_mp4, limit_bytes=2_000)
    messages = stream.to_its_end()
    assert [message.event_type for message in messages] == [EventType.END_OF_STREAM]
    assert stream.status.dropped["too-large"] == 4


def test_a_message_limit_splits_at_keyframes(run, clip_mp4):
    whole = max(len(m.data) for m in run(clip_mp4).to_its_end())
    stream = run(clip_mp4, limit_bytes=whole + 4_000, stream_id="s2")
    assert all(len(m.data) <= whole + 4_000 for m in stream.to_its_end())
