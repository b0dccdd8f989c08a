"""Bulk decisions: one verdict on several flags of one stream, each with its own result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from schemas.decisions import Decision, Reason, Verdict
from schemas.frames import Identifier

MOST_FLAGS: Final = 200


class BulkDecision(BaseModel):
    """A verdict on flags of one stream. A senior's or supervisor's right: the caller checks it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stream_id: Identifier
    flag_ids: tuple[str, ...] = Field(min_length=1, max_length=MOST_FLAGS)
    request_id: Identifier
    """The same request twice is one decision of each flag."""
    reviewer: Identifier
    verdict: Literal[Verdict.VIOLENT, Verdict.NOT_VIOLENT]
    policy: Identifier | None = None
    reason: Reason | None = None
    note: str = Field(default="", max_length=2000)
    decided_at: AwareDatetime

    @model_validator(mode="after")
    def _is_explained_and_names_each_flag_once(self) -> BulkDecision:
        if len(set(self.flag_ids)) != len(self.flag_ids):
            raise ValueError("flag_ids: a flag is named twice, expected each once")
        self.decisions(dict.fromkeys(self.flag_ids, 0))
        return self

    def decisions(self, epochs: Mapping[str, int]) -> list[Decision]:
        """One decision for each flag that has an epoch, made as if claimed once more."""
        return [
            Decision(
                flag_id=flag_id,
                request_id=self.request_id,
                reviewer=self.reviewer,
                epoch=epochs[flag_id] + 1,
                verdict=self.verdict,
                policy=self.policy,
                reason=self.reason,
                note=self.note,
                decided_at=self.decided_at,
            )
            for flag_id in self.flag_ids
            if flag_id in epochs
        ]
