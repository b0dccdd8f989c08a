"""One byte range of an answer, so that browsers can seek in a clip (RFC 9110, section 14)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from starlette.responses import Response


def ranged_response(
    data: bytes, wanted: str | None, media_type: str, headers: Mapping[str, str] | None = None
) -> Response:
    """All of `data`, or the part that a `Range` header names.

    Several ranges, other units and nonsense are answered with the whole, as the RFC allows; a range
    outside the data with 416.
    """
    shown = {"Accept-Ranges": "bytes", **(headers or {})}
    bounds = _bounds(wanted, len(data))
    if bounds is None:
        return Response(data, media_type=media_type, headers=shown)
    first, last = bounds
    if first > last or first >= len(data):
        return Response(status_code=416, headers=shown | {"Content-Range": f"bytes */{len(data)}"})
    shown["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
    return Response(data[first : last + 1], 206, media_type=media_type, headers=shown)


def _bounds(wanted: str | None, size: int) -> tuple[int, int] | None:
    found = re.fullmatch(r"bytes=(\d{0,18})-(\d{0,18})", (wanted or "").strip(), re.ASCII)
    if found is None or found.group(0) == "bytes=-":
        return None
    first, last = found.groups()
    if not first:
        length = int(last)
        return (max(0, size - length), size - 1) if length else (size, size)
    end = min(int(last), size - 1) if last else size - 1
    return (int(first), end) if not last or int(first) <= int(last) else None
