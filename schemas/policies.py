"""Policies: what is not allowed on the platform, how bad it is and how soon people must look."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator

from schemas.flags import Score, Severity
from schemas.frames import Identifier

LEAST_SLA: Final = timedelta(seconds=5)
MOST_SLA: Final = timedelta(days=7)
MOST_POLICIES: Final = 40
Title = Annotated[str, Field(min_length=1, max_length=80)]


class Policy(BaseModel):
    """One kind of violation. Its code is what flags and verdicts name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: Identifier
    title: Title
    guidance: str = Field(default="", max_length=1000)
    """What reviewers shall look for, and what it is not."""
    severity: Severity
    threshold: Score = 0.0
    """Peak score from which a flag has `severity`; below it, one step lower."""
    sla: timedelta = Field(ge=LEAST_SLA, le=MOST_SLA)
    """How long a flag may wait for a reviewer, before viewers shorten it."""
    active: bool = True
    """Whether verdicts may name it; flags of it are reviewed all the same."""


class PolicySet(BaseModel):
    """All policies at one time. Version 0 is what holds before anybody saved one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal["flagpost.policies/1"] = "flagpost.policies/1"
    version: int = Field(ge=0)
    policies: tuple[Policy, ...] = Field(min_length=1, max_length=MOST_POLICIES)
    changed_at: AwareDatetime | None = None
    by: Identifier | None = None

    @field_validator("policies")
    @classmethod
    def _codes_differ_and_one_is_active(cls, policies: tuple[Policy, ...]) -> tuple[Policy, ...]:
        doubled = [code for code, n in Counter(one.code for one in policies).items() if n > 1]
        if doubled:
            raise ValueError(f"code: {doubled[0]} is there twice, expected each code once")
        if not any(policy.active for policy in policies):
            raise ValueError("active: no policy is, expected at least one that verdicts can name")
        return policies

    def policy(self, code: str) -> Policy | None:
        return next((policy for policy in self.policies if policy.code == code), None)


DEFAULT_POLICIES: Final = PolicySet(
    version=0,
    policies=(
        Policy(
            code="violence",
            title="Physical violence",
            guidance="Somebody is hit, kicked, choked or thrown with the will to hurt. Not a "
            "sport under its rules, not a game, not a film.",
            severity=Severity.HIGH,
            sla=timedelta(minutes=2),
        ),
        Policy(
            code="weapon",
            title="Weapon or threat",
            guidance="A weapon is drawn or aimed at a person, or harm is announced.",
            severity=Severity.HIGH,
            sla=timedelta(minutes=2),
        ),
        Policy(
            code="gore",
            title="Injury and gore",
            guidance="Open wounds, blood in quantity, the dead. Not medicine, not art.",
            severity=Severity.HIGH,
            sla=timedelta(minutes=2),
        ),
        Policy(
            code="abuse",
            title="Abuse of a person or animal",
            guidance="Somebody who cannot defend themselves is made to suffer.",
            severity=Severity.HIGH,
            sla=timedelta(minutes=2),
        ),
        Policy(
            code="brawl",
            title="Scuffle without injury",
            guidance="Pushing and shoving, vandalism, a fight that others end at once.",
            severity=Severity.MEDIUM,
            sla=timedelta(minutes=15),
        ),
    ),
)
