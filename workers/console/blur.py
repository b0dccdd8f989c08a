"""Pictures as they may leave the server unasked: grey, and without detail.

The blur is destructive, not a filter in the browser: the picture is reduced to a few dozen pixels
across before it is enlarged again, so nothing finer is in the bytes that are sent.
"""

from __future__ import annotations

import io
from typing import Final

from PIL import Image, ImageFilter, UnidentifiedImageError

DETAIL: Final = (56, 56)
"""Most pixels across and down that survive in a blurred picture."""
SHOWN: Final = (480, 480)
MAX_PIXELS: Final = 40_000_000
"""Larger pictures are refused: evidence is at most a video frame."""


class PictureUnreadable(ValueError):
    """Evidence that is no picture, or a hostile one."""


def blurred(picture: bytes) -> bytes:
    """A grey JPEG with no more detail than `DETAIL`.

    Raises:
        PictureUnreadable: The bytes are no picture.
    """
    small = _opened(picture, DETAIL).convert("L")
    small.thumbnail(DETAIL, Image.Resampling.BOX)
    soft = small.filter(ImageFilter.GaussianBlur(1.6))
    return _jpeg(soft.resize(_fitted(soft.size, SHOWN), Image.Resampling.BICUBIC), quality=50)


def grey(picture: bytes) -> bytes:
    """The whole picture without its colours; raises PictureUnreadable."""
    return _jpeg(_opened(picture, None).convert("L"), quality=88)


def _opened(picture: bytes, draft: tuple[int, int] | None) -> Image.Image:
    try:
        # Evidence is JPEG; Pillow's other decoders, some of which run programs, stay out of reach.
        image = Image.open(io.BytesIO(picture), formats=["JPEG"])
        if image.width * image.height > MAX_PIXELS:
            raise PictureUnreadable(
                f"picture of {image.width}x{image.height}: expected at most {MAX_PIXELS} pixels"
            )
        if draft is not None:
            # JPEG decodes at an eighth of its size at an eighth of the cost.
            image.draft("L", (draft[0] * 2, draft[1] * 2))
        image.load()
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise PictureUnreadable(f"picture of {len(picture)} bytes: {error}") from error
    return image


def _fitted(size: tuple[int, int], box: tuple[int, int]) -> tuple[int, int]:
    scale = min(box[0] / size[0], box[1] / size[1])
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _jpeg(image: Image.Image, quality: int) -> bytes:
    target = io.BytesIO()
    image.save(target, "JPEG", quality=quality)
    return target.getvalue()
