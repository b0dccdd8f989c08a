"""What the parent asks of its children and what they answer; the messages between them.

A message is a JSON header, a newline and raw bytes: nothing that a child taken over by hostile
video sends can run code in the parent, as a pickle could.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from schemas.frames import ContentType
from workers.moderation.arena import Span

MAX_ANSWER_BYTES: Final = 256 << 20


@dataclass(frozen=True, slots=True)
class ScoredFrame:
    """Seconds after the message's capture time, calibrated score, whether the media was damaged."""

    pts_s: float
    score: float
    corrupt: bool = False


@dataclass(frozen=True, slots=True)
class DecodeJob:
    """Decode, and score where the child has an engine; else write frames into `rows`."""

    serial: int
    span: Span
    content_type: ContentType
    looks_per_second: float
    rows: tuple[int, ...] = ()

    def message(self) -> bytes:
        return packed(
            {
                "kind": "decode",
                "serial": self.serial,
                "start": self.span.start,
                "length": self.span.length,
                "content_type": self.content_type.value,
                "looks_per_second": self.looks_per_second,
                "rows": self.rows,
            }
        )


@dataclass(frozen=True, slots=True)
class ClipPart:
    """A segment for a clip and its start in seconds after the first part's."""

    span: Span
    content_type: ContentType
    offset_s: float


@dataclass(frozen=True, slots=True)
class ClipJob:
    """Cut a clip of consecutive segments; pictures are (part, seconds into it)."""

    serial: int
    parts: tuple[ClipPart, ...]
    pictures: tuple[tuple[int, float], ...]

    def message(self) -> bytes:
        parts = [
            (part.span.start, part.span.length, part.content_type.value, part.offset_s)
            for part in self.parts
        ]
        return packed(
            {"kind": "clip", "serial": self.serial, "parts": parts, "pictures": self.pictures}
        )


Job = DecodeJob | ClipJob


@dataclass(frozen=True, slots=True)
class Scored:
    """Frames of a message with their scores; in the batched role, with rows instead."""

    serial: int
    looks: tuple[ScoredFrame, ...]
    rows: tuple[int, ...]
    keyframes: int
    width: int
    height: int
    codec: str
    decode_s: float
    infer_s: float


@dataclass(frozen=True, slots=True)
class ClipMade:
    """Evidence of a flag; `clip` is None where the media is no video."""

    serial: int
    clip: bytes | None
    starts_s: float
    ends_s: float
    pictures: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """The job cannot be done: a stable word and a sentence."""

    serial: int
    reason: str
    detail: str


Outcome = Scored | ClipMade | Refused


class AnswerRejected(Exception):
    """A child sent what no healthy child sends; it is replaced."""


def packed(header: dict[str, Any], *blobs: bytes) -> bytes:
    """One message; the header says how long each blob is."""
    header["blobs"] = [len(blob) for blob in blobs]
    return b"".join((json.dumps(header).encode(), b"\n", *blobs))


def unpacked(message: bytes) -> tuple[dict[str, Any], list[bytes]]:
    """Header and blobs of a message.

    Raises:
        AnswerRejected: It does not hold together.
    """
    head, _, body = message.partition(b"\n")
    try:
        header = json.loads(head)
        lengths = header["blobs"]
        if sum(lengths) != len(body) or any(length < 0 for length in lengths):
            raise AnswerRejected(f"blobs of {lengths} bytes in a body of {len(body)}")
    except (ValueError, KeyError, TypeError) as error:
        raise AnswerRejected(f"no message: {head[:80]!r}") from error
    blobs: list[bytes] = []
    start = 0
    for length in lengths:
        blobs.append(body[start : start + length])
        start += length
    return header, blobs


def outcome_from_message(message: bytes) -> Outcome:
    """Reads a child's answer.

    Raises:
        AnswerRejected: It is none.
    """
    header, blobs = unpacked(message)
    try:
        return _outcome(header, blobs)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise AnswerRejected(f"answer {str(header)[:120]}: {error}") from error


def _outcome(header: dict[str, Any], blobs: list[bytes]) -> Outcome:
    serial = int(header["serial"])
    match header["kind"]:
        case "scored":
            return Scored(
                serial,
                tuple(_scored_frame(*look) for look in header["looks"]),
                tuple(int(row) for row in header["rows"]),
                int(header["keyframes"]),
                int(header["width"]),
                int(header["height"]),
                str(header["codec"])[:40],
                float(header["decode_s"]),
                float(header["infer_s"]),
            )
        case "clip":
            has_clip = bool(header["has_clip"])
            clip = blobs[0] if has_clip else None
            times = float(header["starts_s"]), float(header["ends_s"])
            return ClipMade(serial, clip, *times, tuple(blobs[1:] if has_clip else blobs))
        case "refused":
            return Refused(serial, str(header["reason"])[:60], str(header["detail"])[:400])
        case kind:
            raise AnswerRejected(f"answer of kind {kind!r}")


def _scored_frame(pts_s: float, score: float, corrupt: bool) -> ScoredFrame:
    if not 0.0 <= float(score) <= 1.0 or not 0.0 <= float(pts_s) < 3600.0:
        raise ValueError(f"look at {pts_s} s with score {score}")
    return ScoredFrame(float(pts_s), float(score), bool(corrupt))
