"""A glance at MPEG-TS without parsing it: where random access points are.

ISO/IEC 13818-1, 2.4.3: packets of 188 bytes; the adaptation field's random_access_indicator marks
where a decoder may start. Hints only: nothing here is trusted to be right, only to be cheap.
"""

from __future__ import annotations

from typing import Final

import numpy as np

PACKET_BYTES: Final = 188
SYNC_BYTE: Final = 0x47
_RANDOM_ACCESS: Final = 0x40


def is_transport_stream(data: memoryview | bytes) -> bool:
    """Whether the first packets begin with the sync byte."""
    starts = range(0, min(len(data), 5 * PACKET_BYTES), PACKET_BYTES)
    return len(data) >= PACKET_BYTES and all(data[start] == SYNC_BYTE for start in starts)


def random_access_points(data: memoryview | bytes) -> int:
    """Packets that say a decoder may start with them, over all streams; 0 if none says so."""
    packets = np.frombuffer(data, np.uint8, count=len(data) // PACKET_BYTES * PACKET_BYTES)
    packets = packets.reshape(-1, PACKET_BYTES)
    has_field = (packets[:, 3] & 0x20 != 0) & (packets[:, 4] > 0)
    return int(np.count_nonzero(has_field & (packets[:, 5] & _RANDOM_ACCESS != 0)))
