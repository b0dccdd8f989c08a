from __future__ import annotations

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workers.ingest.clips import write_clip
from workers.ingest.bitstream import (
    Codec,
    parameter_sets,
    parameter_sets_of_av1_configuration,
    sniffed_codec,
    with_parameter_sets,
)

AV1 = {"preset": "12", "svtav1-params": "lp=1"}


def first_packet(path) -> tuple[bytes, bytes]:
    with av.open(str(path), "r") as container:
        stream = container.streams.video[0]
        extradata = bytes(stream.codec_context.extradata or b"")
        return next(bytes(one) for one in container.demux(stream) if one.size), extradata


@pytest.mark.parametrize(("encoder", "codec"), [("libx264", Codec.H264), ("libx265", Codec.HEVC)])
def test_a_keyframe_tells_its_codec_and_its_parameter_sets(tmp_path, encoder, codec):
    keyframe, _ = first_packet(write_clip(tmp_path / "a.ts", 0.5, codec=encoder))
    sets, sequence = parameter_sets(codec, keyframe)
    assert sniffed_codec(keyframe) is codec
    assert sequence
    assert sequence in sets
    assert sets in keyframe


@pytest.mark.parametrize("encoder", ["libx264", "libx265"])
def test_a_keyframe_decodes_again_once_its_parameter_sets_are_back(tmp_path, encoder):
    codec = Codec.H264 if encoder == "libx264" else Codec.HEVC
    keyframe, _ = first_packet(write_clip(tmp_path / "a.ts", 0.5, codec=encoder))
    sets, _ = parameter_sets(codec, keyframe)
    bare = keyframe.replace(sets, b"")
    assert parameter_sets(codec, bare) == (b"", b"")
    decoder = av.CodecContext.create(codec.value, "r")
    frames = decoder.decode(av.Packet(with_parameter_sets(codec, bare, sets))) + decoder.decode()
    assert [(frame.width, frame.height) for frame in frames] == [(160, 96)]


def test_another_size_has_another_sequence_parameter_set(tmp_path):
    small, _ = first_packet(write_clip(tmp_path / "a.ts", 0.2))
    large, _ = first_packet(write_clip(tmp_path / "b.ts", 0.2, size=(320, 192)))
    assert parameter_sets(Codec.H264, small)[1] != parameter_sets(Codec.H264, large)[1]


def test_av1_keeps_its_sequence_header_in_the_keyframe_and_in_the_container(tmp_path, capfd):
    clip = write_clip(tmp_path / "a.mp4", 0.4, codec="libsvtav1", options=AV1)
    keyframe, extradata = first_packet(clip)
    _, header = parameter_sets(Codec.AV1, keyframe)
    assert header
    assert parameter_sets_of_av1_configuration(extradata)[:1] == header[:1]
    bare = keyframe.replace(header, b"")
    assert with_parameter_sets(Codec.AV1, bare, header).count(header) == 1


@given(st.binary(max_size=300), st.sampled_from(list(Codec)))
def test_damaged_bytes_are_read_without_an_error(data, codec):
    sniffed_codec(data)
    sets, _ = parameter_sets(codec, data)
    assert len(with_parameter_sets(codec, data, sets)) == len(data) + len(sets)
