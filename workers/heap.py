"""The C heap of a process that handles media: large buffers that come and go with each segment.

glibc gives freed memory back to the kernel as soon as two megabytes lie free at the end of the
heap. A decoder of 720p allocates more than that for every segment: 480 page faults each time, a
sixth of the time of a keyframe.
"""

from __future__ import annotations

import ctypes
from typing import Final

KEPT_BYTES: Final = 256 << 20
"""Free memory that a process keeps at the end of its heap."""
_FROM_HEAP_BYTES: Final = 32 << 20
"""Buffers below this come from the heap, not from mappings of their own; glibc takes no more."""
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3


def keep_freed_memory() -> bool:
    """Makes malloc keep what is freed for what is allocated next, in every thread.

    Returns:
        False where the C library has no such setting (musl); nothing changes then.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(
        mallopt(_M_MMAP_THRESHOLD, _FROM_HEAP_BYTES) and mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)
    )
