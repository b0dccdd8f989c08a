"""Flags: incidents that a worker found, as people see them in the review queue."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from schemas.frames import Identifier, StreamMetadata

_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
SCORES_KEPT: Final = 120
Score = Annotated[float, Field(ge=0.0, le=1.0)]


class Severity(StrEnum):
    """How bad the policy says the content is; sets the review deadline."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Picture(BaseModel):
    """One frame of the incident in the evidence store."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    """Path below the evidence store's root; never an address."""
    at: AwareDatetime
    score: Score
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Clip(BaseModel):
    """Encoded video around the opening, remuxed and never re-encoded; its true bounds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class ScorePoint(BaseModel):
    """The score of one look, for the plot of an incident."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: AwareDatetime
    score: Score


class AuditSample(BaseModel):
    """Why a flag is here that no incident raised: a sample of what was not flagged."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    probability: float = Field(gt=0.0, le=1.0)
    """With which a frame of this stratum is drawn; its inverse is what the flag stands for."""
    stratum: Identifier


class Evidence(BaseModel):
    """What a reviewer can look at; `missing` says why something is not there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pictures: tuple[Picture, ...] = ()
    clip: Clip | None = None
    missing: str | None = None


class Flag(BaseModel):
    """One incident of one stream. The same incident always has the same `flag_id`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal["flagpost.flag/1"] = "flagpost.flag/1"
    flag_id: str = Field(min_length=26, max_length=26)
    stream_id: Identifier
    session_id: Identifier
    policy: Identifier = "violence"
    severity: Severity = Severity.HIGH
    onset_at: AwareDatetime
    """Capture time of the first look of the window that opened the incident."""
    opened_at: AwareDatetime
    """Capture time of the look that opened it."""
    last_at: AwareDatetime
    """Capture time of the newest look that belongs to it."""
    closed: bool = False
    looks: int = Field(ge=1)
    """Scored frames inside the incident."""
    score: Score
    """Median score at the newest look."""
    peak: Score
    threshold: Score
    model: str
    model_version: str
    metadata: StreamMetadata = StreamMetadata()
    evidence: Evidence = Evidence()
    scores: tuple[ScorePoint, ...] = Field(default=(), max_length=SCORES_KEPT)
    """The incident's scores over time, from the window that opened it; thinned when it is long."""
    audit: AuditSample | None = None
    """Set where the flag is a sample of frames that were not flagged."""
    topic: str
    partition: int = Field(ge=0)
    offset: int = Field(ge=0)
    """Where the message lies that opened the incident."""

    @property
    def duration(self) -> timedelta:
        """Onset to the newest look."""
        return self.last_at - self.onset_at


def flag_id_for(stream_id: str, policy: str, origin: str, opened_at: datetime) -> str:
    """Deterministic id in ULID form: sorts by time, equal for the same input on every replay.

    48 bits of `opened_at` in milliseconds, then 80 bits of a digest over what opened the incident
    (ULID spec: https://github.com/ulid/spec).

    Args:
        stream_id: The stream.
        policy: The policy it is flagged under.
        origin: Where the opening look came from: topic, partition, offset and look.
        opened_at: Capture time of the opening look.
    """
    identity = "\0".join((stream_id, policy, origin))
    digest = hashlib.sha256(identity.encode()).digest()[:10]
    milliseconds = int(opened_at.timestamp() * 1000) & ((1 << 48) - 1)
    number = (milliseconds << 80) | int.from_bytes(digest, "big")
    return "".join(_CROCKFORD[(number >> shift) & 31] for shift in range(125, -1, -5))
