"""The published JSON Schemas: what producers and readers in any language can check against."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter

from schemas.bundles import BundleCard
from schemas.decisions import Decision
from schemas.flags import Flag
from schemas.frames import ContentType, EventType, Identifier, StreamMetadata
from schemas.truth import AmbiguousSpan, TrueIncident

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
BASE: Final = "urn:flagpost:schema:"


class FrameHeaders(BaseModel):
    """Headers of a frame message, each UTF-8 text; the record's value is the media itself.

    CloudEvents 1.0, Kafka binding, binary mode. The key is the stream id. The value may be empty
    where `ce_dataref` names media elsewhere, or where the stream ends. Other headers are ignored.
    """

    model_config = ConfigDict(title="Frame message headers")

    specversion: Literal["1.0"] = Field(alias="ce_specversion")
    event_type: EventType = Field(
        alias="ce_type", description="What it is; the version at its end is the schema version."
    )
    source: str = Field(
        alias="ce_source", min_length=1, max_length=500, description="Who produces it; a URI."
    )
    event_id: Identifier = Field(alias="ce_id", description="Unique for its source.")
    stream_id: Identifier = Field(
        alias="ce_streamid", description="The live stream; also the record's key."
    )
    session_id: Identifier = Field(
        alias="ce_sessionid", description="One run of the producer for this stream."
    )
    sequence: str = Field(
        alias="ce_sequence",
        pattern=r"^\d{1,18}$",
        description="Grows by one with each message of the session, from 0.",
    )
    captured_at: AwareDatetime = Field(
        alias="ce_time",
        description="Capture time of the first frame, RFC 3339 with an offset or Z.",
    )
    duration_ms: str = Field(
        default="0",
        alias="ce_durationms",
        pattern=r"^\d{1,6}$",
        description="Milliseconds of media, at most 600000; 0 for a picture.",
    )
    content_type: ContentType | None = Field(
        default=None, alias="content-type", description="What the media is; frames need it."
    )
    dataref: str | None = Field(
        default=None,
        alias="ce_dataref",
        max_length=2000,
        description="Address of the whole segment; read only below prefixes that workers allow.",
    )
    metadata: str | None = Field(
        default=None,
        alias="ce_metadata",
        description="JSON text of what the platform says of the stream.",
        json_schema_extra={
            "contentMediaType": "application/json",
            "contentSchema": StreamMetadata.model_json_schema(),
        },
    )


TrueSpan = Annotated[TrueIncident | AmbiguousSpan, Field(discriminator="schema_version")]
PUBLISHED: Final[dict[str, TypeAdapter[Any]]] = {
    "frames": TypeAdapter(FrameHeaders),
    "flag": TypeAdapter(Flag),
    "decision": TypeAdapter(Decision),
    "bundle": TypeAdapter(BundleCard),
    "truth": TypeAdapter(TrueSpan),
}


def json_schema(name: str) -> dict[str, Any]:
    """The JSON Schema of one contract, `name` being one of `PUBLISHED`."""
    schema = PUBLISHED[name].json_schema(by_alias=True, mode="validation")
    return {"$schema": DIALECT, "$id": f"{BASE}{name}", **schema}
