"""Frame messages on Kafka: CloudEvents 1.0, Kafka binding, binary mode.

The value is the raw media; every attribute is a header (`ce_*`, `content-type`). `FrameMessage` is
what producers build and workers read; it never looks inside the media.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Final
from uuid import uuid4

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from schemas.errors import MessageRejected

SPEC_VERSION: Final = "1.0"
TYPE_PREFIX: Final = "org.flagpost."
MAX_ID_LENGTH: Final = 200
MAX_DURATION: Final = timedelta(minutes=10)
Header = tuple[str, bytes]
Identifier = Annotated[
    str, Field(min_length=1, max_length=MAX_ID_LENGTH, pattern=r"^[\w.:@/+=~-]+$")
]


class EventType(StrEnum):
    """CloudEvents `type`; the version at its end is the schema version of the message."""

    FRAMES = "org.flagpost.frames.v1"
    """Media: a segment, an access unit or a picture."""
    END_OF_STREAM = "org.flagpost.end-of-stream.v1"
    """The stream ended on purpose; the value is empty."""


class ContentType(StrEnum):
    """Media that a worker decodes; the header is checked against the bytes."""

    MPEG_TS = "video/mp2t"
    FRAGMENTED_MP4 = "video/mp4"
    H264 = "video/h264"
    """One Annex B access unit that starts a group of pictures."""
    HEVC = "video/h265"
    AV1 = "video/av1"
    """One OBU temporal unit."""
    JPEG = "image/jpeg"
    PNG = "image/png"
    WEBP = "image/webp"


class StreamMetadata(BaseModel):
    """What the platform says of a stream; small, so that workers stay stateless."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str | None = Field(default=None, max_length=500)
    category: str | None = Field(default=None, max_length=200)
    device: str | None = Field(default=None, max_length=200)
    language: str | None = Field(default=None, max_length=35)
    viewers: int | None = Field(default=None, ge=0)


class FrameMessage(BaseModel):
    """One piece of one live stream.

    `sequence` grows by one within a `session_id` (one run of the producer for this stream).
    `captured_at` is the time of the first frame in `data`. With `dataref`, `data` may be a single
    keyframe (the segment behind the reference is evidence) or empty (the worker fetches it).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    event_type: EventType = EventType.FRAMES
    event_id: Identifier = Field(default_factory=lambda: uuid4().hex)
    source: str = Field(min_length=1, max_length=500)
    stream_id: Identifier
    session_id: Identifier
    sequence: int = Field(ge=0, lt=10**18)
    captured_at: AwareDatetime
    duration: timedelta = Field(default=timedelta(0), ge=timedelta(0), le=MAX_DURATION)
    content_type: ContentType | None = None
    dataref: str | None = Field(default=None, max_length=2000)
    metadata: StreamMetadata = StreamMetadata()
    data: bytes = Field(default=b"", repr=False)

    @model_validator(mode="after")
    def _media_is_present(self) -> FrameMessage:
        if self.event_type is EventType.FRAMES:
            if self.content_type is None:
                raise ValueError("content-type: expected one with frames")
            if not self.data and not self.dataref:
                raise ValueError("value: expected media, or a ce_dataref that names it elsewhere")
        return self

    def headers(self) -> list[Header]:
        """Kafka headers of this message; the key is `stream_id`, the value is `data`."""
        pairs: dict[str, str] = {
            "ce_specversion": SPEC_VERSION,
            "ce_type": self.event_type.value,
            "ce_source": self.source,
            "ce_id": self.event_id,
            "ce_streamid": self.stream_id,
            "ce_sessionid": self.session_id,
            "ce_sequence": str(self.sequence),
            "ce_time": self.captured_at.astimezone(UTC).isoformat(),
            "ce_durationms": str(round(self.duration / timedelta(milliseconds=1))),
            "ce_metadata": self.metadata.model_dump_json(exclude_none=True),
        }
        if self.content_type is not None:
            pairs["content-type"] = self.content_type.value
        if self.dataref is not None:
            pairs["ce_dataref"] = self.dataref
        return [(name, text.encode()) for name, text in pairs.items()]


REQUIRED_HEADERS: Final = (
    "ce_specversion",
    "ce_type",
    "ce_source",
    "ce_id",
    "ce_streamid",
    "ce_sessionid",
    "ce_sequence",
    "ce_time",
)
_FIELD_HEADERS: Final = {
    "event_type": "ce_type",
    "event_id": "ce_id",
    "source": "ce_source",
    "stream_id": "ce_streamid",
    "session_id": "ce_sessionid",
    "sequence": "ce_sequence",
    "captured_at": "ce_time",
    "duration": "ce_durationms",
    "content_type": "content-type",
    "dataref": "ce_dataref",
    "metadata": "ce_metadata",
    "data": "value",
}


def frame_message_from_record(
    headers: Iterable[Header] | None, value: bytes | None
) -> FrameMessage:
    """Reads a Kafka record as a frame message.

    Raises:
        MessageRejected: A header is missing or does not fit; names header, value and expectation.
    """
    texts = _header_texts(headers or ())
    for name in REQUIRED_HEADERS:
        if name not in texts:
            raise MessageRejected(name, "no such header", "one; see `flagpost schema frames`")
    if texts["ce_specversion"] != SPEC_VERSION:
        raise MessageRejected("ce_specversion", repr(texts["ce_specversion"]), repr(SPEC_VERSION))
    return _validated(texts, value or b"")


def _header_texts(headers: Iterable[Header]) -> dict[str, str]:
    texts: dict[str, str] = {}
    for name, raw in headers:
        try:
            texts[name.lower()] = (raw or b"").decode()
        except UnicodeDecodeError as error:
            raise MessageRejected(name, repr(raw[:40]), "UTF-8 text") from error
    return texts


def _validated(texts: dict[str, str], value: bytes) -> FrameMessage:
    duration = texts.get("ce_durationms", "0")
    # isdigit alone lets superscripts pass, which int refuses.
    if not (duration.isascii() and duration.isdigit() and len(duration) <= 9):
        raise MessageRejected("ce_durationms", repr(duration[:40]), "milliseconds as digits")
    if int(duration) > MAX_DURATION / timedelta(milliseconds=1):
        raise MessageRejected("ce_durationms", repr(duration), "at most 600000 (10 minutes)")
    try:
        metadata = StreamMetadata.model_validate_json(texts.get("ce_metadata") or "{}")
    except ValidationError as error:
        raise _rejection(error, prefix="ce_metadata") from error
    try:
        return FrameMessage(
            event_type=texts["ce_type"],
            event_id=texts["ce_id"],
            source=texts["ce_source"],
            stream_id=texts["ce_streamid"],
            session_id=texts["ce_sessionid"],
            sequence=texts["ce_sequence"],
            captured_at=texts["ce_time"],
            duration=timedelta(milliseconds=int(duration)),
            content_type=texts.get("content-type"),
            dataref=texts.get("ce_dataref"),
            metadata=metadata,
            data=value,
        )
    except ValidationError as error:
        raise _rejection(error) from error


def _rejection(error: ValidationError, prefix: str = "") -> MessageRejected:
    first = error.errors(include_url=False)[0]
    if not first["loc"] and not prefix:
        # A rule about several fields begins with the one that is missing.
        name, _, expected = first["msg"].removeprefix("Value error, ").partition(": expected ")
        return MessageRejected(name, "nothing", expected)
    field = str(first["loc"][0]) if first["loc"] else ""
    if prefix:
        name = f"{prefix}.{field}" if field else prefix
    else:
        name = _FIELD_HEADERS.get(field, field or "message")
    got = repr(first["input"])[:80] if field != "data" else "media"
    return MessageRejected(name, got, str(first["msg"]))


def capture_time(seconds: float) -> datetime:
    """Unix seconds as the aware UTC time that messages carry."""
    return datetime.fromtimestamp(seconds, tz=UTC)
