"""What leaves the server unasked holds no detail and no colour."""

import io

import numpy as np
import pytest
from PIL import Image

from tests.media import picture, picture_bomb
from workers.console.blur import DETAIL, PictureUnreadable, blurred, grey


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def checkered(side: int = 512, square: int = 4) -> bytes:
    """A picture that is all fine detail."""
    rows, columns = np.indices((side, side)) // square
    pixels = ((rows + columns) % 2 * 255).astype(np.uint8)
    target = io.BytesIO()
    Image.fromarray(pixels).convert("RGB").save(target, "JPEG", quality=95)
    return target.getvalue()


def test_a_blurred_picture_has_no_colour():
    assert opened(blurred(picture("JPEG"))).mode == "L"


def test_a_blurred_picture_keeps_no_fine_detail():
    assert np.asarray(opened(checkered()).convert("L")).std() > 100
    assert np.asarray(opened(blurred(checkered()))).std() < 5


def test_enlarging_does_not_bring_detail_back():
    shown = opened(blurred(checkered(square=64)))
    small = shown.resize(DETAIL, Image.Resampling.BOX)
    back = np.asarray(small.resize(shown.size, Image.Resampling.BICUBIC), np.int16)
    assert np.abs(back - np.asarray(shown, np.int16)).mean() < 4


@pytest.mark.parametrize("size", [(320, 180), (180, 320), (1, 1), (5000, 3)])
def test_a_picture_keeps_its_shape(size):
    shown = opened(blurred(picture("JPEG", size=size)))
    assert max(shown.size) == 480


def test_a_grey_picture_is_whole_and_without_colour():
    shown = opened(grey(picture("JPEG", size=(320, 180))))
    assert (shown.mode, shown.size) == ("L", (320, 180))


@pytest.mark.parametrize("data", [b"", b"no picture", picture("JPEG")[:200], picture_bomb()])
def test_what_is_no_picture_is_refused(data):
    with pytest.raises(PictureUnreadable):
        blurred(data)


@pytest.mark.parametrize("format_name", ["PNG", "TIFF", "GIF", "EPS"])
def test_only_what_workers_store_is_decoded(format_name):
    with pytest.raises(PictureUnreadable):
        grey(picture(format_name))
