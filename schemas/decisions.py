"""Decisions: what people say of a flag; entries of the append-only decisions log."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from schemas.frames import Identifier


class Verdict(StrEnum):
    """What the reviewer saw."""

    VIOLENT = "violent"
    NOT_VIOLENT = "not_violent"
    UNSURE = "unsure"


class Reason(StrEnum):
    """Why something that looked violent is not."""

    GAME = "game"
    SPORT = "sport"
    FILM = "film"
    OTHER = "other"


class Decision(BaseModel):
    """One verdict of one person. `violent` names a policy, `not_violent` a reason."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal["flagpost.decision/1"] = "flagpost.decision/1"
    flag_id: str = Field(min_length=26, max_length=26)
    request_id: Identifier
    """Chosen by the client; the same request twice is one decision."""
    reviewer: Identifier
    epoch: int = Field(ge=1)
    """The claim this answers; an older claim is refused as stale."""
    verdict: Verdict
    policy: Identifier | None = None
    reason: Reason | None = None
    note: str = Field(default="", max_length=2000)
    decided_at: AwareDatetime

    @model_validator(mode="after")
    def _verdict_is_explained(self) -> Decision:
        if self.verdict is Verdict.VIOLENT and self.policy is None:
            raise ValueError("policy: a violent verdict names the policy it breaks")
        if self.verdict is Verdict.NOT_VIOLENT and self.reason is None:
            raise ValueError("reason: a not_violent verdict says why: game, sport, film or other")
        return self
