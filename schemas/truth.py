"""Ground truth of simulated streams: what a scorer compares flags with."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from schemas.frames import Identifier


class TrueIncident(BaseModel):
    """One stretch of violence that happened, on the capture clock of its stream."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal["flagpost.truth/1"] = "flagpost.truth/1"
    stream_id: Identifier
    session_id: Identifier
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    kills: int = Field(ge=0)
    damage_dealt: int = Field(ge=0)
    damage_taken: int = Field(ge=0)


class AmbiguousSpan(BaseModel):
    """Time that counts neither as violent nor as calm, by the simulator's stated rule."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal["flagpost.ambiguous/1"] = "flagpost.ambiguous/1"
    stream_id: Identifier
    session_id: Identifier
    starts_at: AwareDatetime
    ends_at: AwareDatetime
