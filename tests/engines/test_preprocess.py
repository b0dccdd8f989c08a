"""The scaler averages areas, whole frame, in the right colours, against numpy and Pillow."""

import av
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace
from PIL import Image

from engines.preprocess import FrameScaler

BT601 = np.array([[1, 0, 1.402], [1, -0.344136, -0.714136], [1, 1.772, 0]])
BT709 = np.array([[1, 0, 1.5748], [1, -0.187324, -0.468124], [1, 1.8556, 0]])


def smooth(width, height):
    """A picture of slow gradients: chroma subsampling and resampling lose nothing of it."""
    x = np.linspace(0, 255, width)[None, :]
    y = np.linspace(0, 255, height)[:, None]
    planes = [x + 0 * y, y + 0 * x, 255 - (x + y) / 2]
    return np.stack(planes, axis=-1).astype(np.uint8)


def yuv(signal, size=(64, 48), format_name="yuv420p"):
    frame = av.VideoFrame(size[0], size[1], format_name)
    for plane, value in zip(frame.planes, signal, strict=True):
        plane.update(bytes([value]) * plane.buffer_size)
    return frame


def by_formula(signal, matrix):
    luma, blue, red = signal
    full = np.array([(luma - 16) / 219, (blue - 128) / 224, (red - 128) / 224]) * 255
    return np.clip(matrix @ full, 0, 255)


@pytest.mark.parametrize("size", [(640, 360), (1280, 720), (427, 241), (224, 224)])
def test_it_averages_areas_as_a_box_filter_does(size):
    picture = smooth(*size)
    found = FrameScaler(224, 224).rgb(av.VideoFrame.from_ndarray(picture, format="rgb24"))
    expected = np.asarray(Image.fromarray(picture).resize((224, 224), Image.Resampling.BOX))
    assert found.shape == (224, 224, 3)
    assert np.abs(found.astype(int) - expected).mean() < 1.5


def test_fine_detail_is_averaged_and_not_picked():
    stripes = np.zeros((448, 448, 3), np.uint8)
    stripes[:, ::2] = 255
    found = FrameScaler(224, 224).rgb(av.VideoFrame.from_ndarray(stripes, format="rgb24"))
    assert np.abs(found.astype(int) - 127).max() <= 2


def test_the_whole_frame_is_kept():
    picture = np.zeros((360, 640, 3), np.uint8)
    picture[:, :20], picture[:, -20:] = (255, 0, 0), (0, 0, 255)
    found = FrameScaler(224, 224).rgb(av.VideoFrame.from_ndarray(picture, format="rgb24"))
    assert found[112, 2, 0] > 240
    assert found[112, -3, 2] > 240


@pytest.mark.parametrize("signal", [(81, 90, 240), (145, 54, 34), (41, 240, 110), (180, 128, 128)])
@pytest.mark.parametrize("size", [(64, 48), (1280, 720)])
def test_a_frame_that_states_no_matrix_is_read_as_bt601_at_every_size(signal, size):
    found = FrameScaler(32, 32).rgb(yuv(signal, size))
    assert np.abs(found[16, 16] - by_formula(signal, BT601)).max() <= 3


def test_a_frame_that_states_bt709_is_read_so():
    frame = yuv((63, 102, 240))
    frame.colorspace = Colorspace.ITU709
    found = FrameScaler(32, 32).rgb(frame)
    assert np.abs(found[16, 16] - by_formula((63, 102, 240), BT709)).max() <= 3


def test_full_range_video_is_not_stretched():
    frame = yuv((100, 128, 128))
    frame.color_range = ColorRange.JPEG
    assert np.abs(FrameScaler(32, 32).rgb(frame)[16, 16].astype(int) - 100).max() <= 1
    limited = FrameScaler(32, 32).rgb(yuv((100, 128, 128)))[16, 16]
    assert np.abs(limited - by_formula((100, 128, 128), BT601)).max() <= 3
    assert limited.max() < 99


def test_it_writes_into_the_array_it_is_given():
    frame = av.VideoFrame.from_ndarray(smooth(320, 180), format="rgb24")
    scaler = FrameScaler(224, 224)
    rows = np.zeros((3, 224, 224, 3), np.uint8)
    assert scaler.rgb(frame, rows[1]) is not None
    np.testing.assert_array_equal(rows[1], scaler.rgb(frame))
    assert not rows[0].any()
    assert not rows[2].any()


def test_one_scaler_follows_a_stream_that_changes_size_and_format():
    scaler = FrameScaler(224, 224)
    first = scaler.rgb(yuv((145, 54, 34), (320, 180)))
    scaler.rgb(yuv((81, 90, 240), (1280, 720), "yuv444p"))
    again = scaler.rgb(yuv((145, 54, 34), (320, 180)))
    np.testing.assert_array_equal(first, again)


def test_a_result_outlives_the_next_frame():
    scaler = FrameScaler(32, 32)
    kept = scaler.rgb(yuv((81, 90, 240)))
    copy = kept.copy()
    scaler.rgb(yuv((145, 54, 34)))
    np.testing.assert_array_equal(kept, copy)


@pytest.mark.parametrize("side", [33, 100, 224])
def test_rows_that_swscale_pads_are_not_read_as_pixels(side):
    picture = np.full((120, 200, 3), (10, 200, 90), np.uint8)
    found = FrameScaler(side, side).rgb(av.VideoFrame.from_ndarray(picture, format="rgb24"))
    assert np.abs(found.astype(int) - (10, 200, 90)).max() <= 1
