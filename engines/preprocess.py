"""From a decoded frame to the engine's input: the one resampler of training and workers.

The whole frame is squashed to the input size: a crop to 224 would throw away 57 % of a 16:9 frame.
"""

from __future__ import annotations

import av
import numpy as np
from av.video.reformatter import ColorRange, VideoReformatter

from engines.engine import Frames


class FrameScaler:
    """Scales frames to [height, width, 3] uint8 RGB by area averaging.

    Keeps one scaler: a new one for each frame costs 2 ms and, under FFmpeg 8, memory that grows.
    swscale takes the YUV matrix and range from the frame; frames that state none are read as
    BT.601, limited range, at every size, in training as in workers. One scaler serves one thread
    and uses one: where every core has a process, swscale's own threads cost 8 % of all.
    """

    def __init__(self, width: int, height: int) -> None:
        self._width = width
        self._height = height
        self._reformatter = VideoReformatter()

    def rgb(self, frame: av.VideoFrame, out: Frames | None = None) -> Frames:
        """Scales one frame.

        Args:
            frame: A decoded frame of any size and pixel format.
            out: uint8 [height, width, 3] to write into; a new array where None.

        Returns:
            uint8 [height, width, 3], RGB, full range.
        """
        small = self._reformatter.reformat(
            frame,
            self._width,
            self._height,
            "rgb24",
            interpolation="AREA",
            dst_color_range=ColorRange.JPEG,
            threads=1,
        )
        plane = small.planes[0]
        rows: Frames = np.frombuffer(memoryview(plane), np.uint8).reshape(
            self._height, plane.line_size
        )
        pixels = rows[:, : self._width * 3].reshape(self._height, self._width, 3)
        if out is None:
            return pixels.copy()
        np.copyto(out, pixels)
        return out
