"""Ingest against real servers: HLS over HTTP, RTMP, RTSP."""

from __future__ import annotations

import io
import time
from datetime import timedelta
from functools import partial
from pathlib import Path

import av
import pytest

from schemas.frames import EventType
from tests.servers import wait_until
from tests.workers.ingest.clips import picture_units, write_audio, write_clip
from tests.workers.ingest.conftest import Run, messages_in
from tests.workers.ingest.servers import (
    PASSWORD,
    TOKEN,
    free_port,
    rtmp_server,
    rtsp_server,
    web_server,
)
from workers.ingest.status import StreamState


class HlsStream:
    """An HLS playlist with a window of three one-second segments, written by hand."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._count = 0

    def add(self, number: int = 1) -> None:
        """Appends segments; each continues the timestamps of the one before."""
        for _ in range(number):
            write_clip(
                self._directory / f"{self._count}.ts", 1.0, first_frame=30 * (self._count + 1)
            )
            self._count += 1
        self.write(end=False)

    def write(self, end: bool) -> None:
        first = max(self._count - 3, 0)
        lines = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:1"]
        lines += [f"#EXT-X-MEDIA-SEQUENCE:{first}"]
        for number in range(first, self._count):
            lines += ["#EXTINF:1.0,", f"{number}.ts"]
        partial = self._directory / "live.m3u8.part"
        partial.write_text("\n".join(lines + ["#EXT-X-ENDLIST"] * end) + "\n")
        partial.rename(self._directory / "live.m3u8")


@pytest.fixture
def hls(tmp_path):
    directory = tmp_path / "www"
    directory.mkdir()
    stream = HlsStream(directory)
    stream.add(3)
    with web_server(directory) as server:
        yield stream, server


def test_a_live_playlist_is_followed_to_its_end(run, hls):
    playlist, server = hls
    stream = run(server.url("live.m3u8"))
    stream.thread.start()
    for _ in range(3):
        seen = stream.status.messages
        playlist.add()
        wait_until(partial(more_than, stream, seen))
    playlist.write(end=True)
    stream.thread.join(20)
    *segments, end = messages_in(stream.output)
    assert stream.status.state is StreamState.ENDED
    assert end.event_type is EventType.END_OF_STREAM
    assert [message.sequence for message in segments] == list(range(len(segments)))
    assert all(len(picture_units(message.data)) > 1 for message in segments)


def test_a_finished_playlist_is_played_from_its_beginning(run, hls):
    playlist, server = hls
    playlist.write(end=True)
    stream = run(server.url("live.m3u8"))
    *segments, _ = stream.to_its_end()
    assert len(segments) == 3
    assert stream.status.state is StreamState.ENDED


def test_the_stream_goes_on_after_the_server_was_gone(run, hls):
    playlist, server = hls
    stream = run(server.url("live.m3u8"), give_up_after=timedelta(seconds=30))
    stream.thread.start()
    playlist.add()
    wait_until(lambda: stream.status.messages)
    server.stop()
    wait_until(lambda: stream.status.reconnects >= 2)
    before = stream.status.messages
    playlist.add(2)
    server.start()
    wait_until(lambda: stream.status.messages > before)
    stream.stopping.set()
    stream.thread.join(10)
    segments = messages_in(stream.output)
    assert len({message.session_id for message in segments}) == 1
    assert [message.sequence for message in segments] == list(range(len(segments)))
    times = [message.captured_at for message in segments]
    assert times == sorted(times)


def test_a_stream_that_does_not_come_back_is_given_up_and_said_to_have_ended(run, hls):
    playlist, server = hls
    stream = run(server.url("live.m3u8"), give_up_after=timedelta(seconds=0.5))
    stream.thread.start()
    playlist.add()
    wait_until(lambda: stream.status.messages)
    server.stop()
    stream.thread.join(20)
    assert stream.status.state is StreamState.LOST
    assert messages_in(stream.output)[-1].event_type is EventType.END_OF_STREAM


def test_a_server_that_falls_silent_is_noticed_within_the_read_timeout(run, hls, clip_ts):
    _, server = hls
    (Path(server.directory) / "clip.ts").write_bytes(clip_ts.read_bytes())
    stream = run(server.url("silent"))
    began_s = time.monotonic()
    stream.thread.start()
    wait_until(lambda: stream.status.reconnects)
    assert time.monotonic() - began_s < 6.0
    assert stream.status.messages >= 3
    assert "no data in time" in stream.errors[0]
    stream.stopping.set()
    stream.thread.join(10)


def test_no_capture_time_lies_in_the_future(run, hls):
    playlist, server = hls
    stream = run(server.url("live.m3u8"), give_up_after=timedelta(seconds=0.1))
    stream.thread.start()
    playlist.add()
    wait_until(lambda: stream.status.messages)
    ended_s = time.time()
    stream.stopping.set()
    stream.thread.join(10)
    first = messages_in(stream.output)[0]
    assert (first.captured_at + first.duration).timestamp() <= ended_s + 0.1


def test_a_playlist_may_not_name_a_file_of_this_machine(run, hls, clip_ts):
    _, server = hls
    (Path(server.directory) / "evil.m3u8").write_text(
        f"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nfile://{clip_ts}\n#EXT-X-ENDLIST\n"
    )
    stream = run(server.url("evil.m3u8"))
    assert stream.to_its_end() == []
    assert stream.status.state is StreamState.FAILED


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("forbidden", "403 Forbidden"),
        ("page.html", "Invalid data"),
        ("sound.mp4", "no video, only audio"),
    ],
)
def test_what_can_not_be_read_fails_at_once_with_its_reason(run, hls, path, said):
    _, server = hls
    (Path(server.directory) / "page.html").write_text("<html>Please sign in</html>")
    write_audio(Path(server.directory) / "sound.mp4", faststart=True)
    stream = run(server.url(path), give_up_after=timedelta(seconds=30))
    assert stream.to_its_end() == []
    assert stream.status.state is StreamState.FAILED
    assert said in stream.status.error


@pytest.mark.parametrize("scheme", ["http", "https", "rtsp", "rtsps", "rtmp", "rtmps"])
def test_a_server_that_is_not_there_is_tried_until_given_up(run, scheme):
    url = f"{scheme}://u:{PASSWORD}@127.0.0.1:{free_port()}/live/{TOKEN}?k={TOKEN}"
    stream = run(url, give_up_after=timedelta(seconds=0.15))
    stream.to_its_end()
    assert stream.status.state is StreamState.LOST
    assert stream.status.reconnects >= 1
    assert "Connection refused" in stream.status.error


def test_a_stop_while_waiting_ends_the_wait(run, plan):
    stream = run(f"http://127.0.0.1:{free_port()}/x", give_up_after=None)
    stream.thread.start()
    wait_until(lambda: stream.status.reconnects)
    stream.stopping.set()
    stream.thread.join(5)
    assert stream.status.state is StreamState.STOPPED


def test_rtmp_is_ingested_and_comes_back_after_its_server_was_gone(run, clip_mp4):
    port = free_port()
    with rtmp_server(clip_mp4, port) as url:
        stream = run(url, give_up_after=timedelta(seconds=20))
        stream.thread.start()
        wait_until(lambda: stream.status.messages >= 2)
    wait_until(lambda: stream.status.reconnects)
    before = stream.status.messages
    with rtmp_server(clip_mp4, port, is_awaited=True):
        wait_until(lambda: stream.status.messages > before + 1)
    stream.stopping.set()
    stream.thread.join(10)
    segments = messages_in(stream.output)
    assert len({message.session_id for message in segments}) == 1
    for message in segments:
        with av.open(io.BytesIO(message.data), "r") as container:
            frames = list(container.decode(video=0))
        assert frames
        assert frames[0].key_frame


def test_rtsp_is_ingested_to_its_end(run, clip_mp4):
    with rtsp_server(clip_mp4) as url:
        stream = run(url)
        *segments, end = stream.to_its_end()
    assert stream.status.state is StreamState.ENDED
    assert end.event_type is EventType.END_OF_STREAM
    assert sum(picture_count(message.data) for message in segments) == 120
    assert segments[0].captured_at.timestamp() == pytest.approx(time.time() - 4.5, abs=1.5)


def test_no_log_line_holds_credentials_whatever_happens(run, hls, clip_mp4, caplog, capfd):
    caplog.set_level("DEBUG")
    playlist, server = hls
    for path in ("nothing.m3u8", "forbidden", "evil.m3u8", "silent"):
        run(server.url(path), give_up_after=timedelta(0)).to_its_end()
    playlist.write(end=True)
    run(server.url("live.m3u8")).to_its_end()
    run(f"rtsp://u:{PASSWORD}@127.0.0.1:{free_port()}/x?t={TOKEN}").to_its_end()
    run(f"rtmp://u:{PASSWORD}@127.0.0.1:{free_port()}/live/{TOKEN}").to_its_end()
    run(f"http://u:{PASSWORD}@no-such-host.invalid/x?t={TOKEN}").to_its_end()
    captured = capfd.readouterr()
    said = caplog.text + captured.out + captured.err
    assert "***@" in said
    assert PASSWORD not in said
    assert TOKEN not in said


def test_messages_hold_no_credentials(run, hls):
    playlist, server = hls
    playlist.write(end=True)
    for message in run(server.url("live.m3u8")).to_its_end():
        headers = b"".join(text for _, text in message.headers())
        assert PASSWORD.encode() not in headers
        assert TOKEN.encode() not in headers


def more_than(stream: Run, messages: int) -> bool:
    return stream.status.messages > messages


def picture_count(media: bytes) -> int:
    with av.open(io.BytesIO(media), "r") as container:
        return sum(1 for one in container.demux(video=0) if one.size)
