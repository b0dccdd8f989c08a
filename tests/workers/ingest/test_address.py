from __future__ import annotations

import re

import pytest

from workers.errors import ConfigurationRejected
from workers.ingest.address import SourceKind, default_stream_id, source_address


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("http://h/a.m3u8", SourceKind.HTTP),
        ("HTTPS://h/a.m3u8", SourceKind.HTTP),
        ("rtsp://u:p@h:554/cam", SourceKind.RTSP),
        ("rtsps://h/cam", SourceKind.RTSP),
        ("rtmp://h/app/key", SourceKind.RTMP),
    ],
)
def test_network_sources_are_known_by_their_scheme(text, kind):
    assert source_address(text).kind is kind


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("gopher://h/x", "'gopher'"),
        ("concat:a|b", "no such file"),
        ("http:///x", "no host"),
        ("http://[::1", "Invalid IPv6"),
        ("v4l2:/dev/video99", "no such webcam"),
        ("/no/such/clip.mp4", "no such file"),
        ("ftp://u:hunter2@h/x", "***@h"),
    ],
)
def test_anything_else_is_refused_with_what_was_expected(text, said):
    with pytest.raises(ConfigurationRejected) as refused:
        source_address(text)
    assert said in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_a_directory_plays_its_clips_in_natural_order(tmp_path):
    for name in ("clip10.mp4", "clip2.MP4", "clip1.ts", "notes.txt", ".hidden.mp4"):
        (tmp_path / name).write_bytes(b"")
    names = [clip.location.rsplit("/", 1)[1] for clip in source_address(str(tmp_path)).clips()]
    assert names == ["clip1.ts", "clip2.MP4", "clip10.mp4"]


def test_a_directory_without_clips_is_refused(tmp_path):
    with pytest.raises(ConfigurationRejected, match="no clips"):
        source_address(str(tmp_path))


def test_the_address_never_shows_credentials():
    address = source_address("rtsp://u:hunter2@h/cam?t=hunter2")
    assert "hunter2" not in f"{address!r} {address} {address.shown}"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("rtsp://u:hunter2@cam7:554/live/1", r"cam7/live/1-[0-9a-f]{8}"),
        ("rtmp://media.example/live/hunter2", r"media\.example/live-[0-9a-f]{8}"),
        ("https://cdn.example/a/b.m3u8", r"cdn\.example/a/b\.m3u8"),
    ],
)
def test_the_default_stream_id_is_readable_and_keeps_secrets(text, name):
    assert re.fullmatch(name, default_stream_id(source_address(text)))


def test_streams_that_differ_only_in_their_key_have_different_ids():
    ids = {default_stream_id(source_address(f"rtmp://h/live/{key}")) for key in ("a", "b")}
    assert len(ids) == 2


@pytest.mark.parametrize(
    ("text", "allowed", "forbidden"),
    [
        ("http://h/a.m3u8", {"http", "https"}, {"file", "rtmp", "udp"}),
        ("https://h/a.m3u8", {"https"}, {"file", "http"}),
        ("rtsp://h/a", {"tcp"}, {"file", "http", "udp"}),
        ("rtmp://h/a", {"rtmp"}, {"file", "http"}),
    ],
)
def test_only_the_protocols_of_the_scheme_are_enabled(text, allowed, forbidden):
    protocols = set(source_address(text).access.protocols.split(","))
    assert allowed <= protocols
    assert not forbidden & protocols


def test_a_file_may_not_name_a_server(clip_mp4):
    assert source_address(str(clip_mp4)).access.protocols == "file"
