"""Who acts in the console, in which roles, and what a role may do."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from pydantic import TypeAdapter, ValidationError

from schemas.frames import Identifier
from workers.errors import ConfigurationRejected
from workers.review.desk import Pool


class Role(StrEnum):
    """What somebody is here for; a person may have several."""

    REVIEWER = "reviewer"
    SENIOR = "senior"
    """Also decides what was escalated."""
    SUPERVISOR = "supervisor"
    """Also sees quality, closes in bulk, sets policies."""
    ADMIN = "admin"
    """Manages people and policies; decides nothing."""
    AUDITOR = "auditor"
    """Reads counts, quality and the audit log; changes nothing."""
    SERVICE = "service"
    """Another program, by token, at the API only."""


class Right(StrEnum):
    """One thing that may be done."""

    REVIEW = "review flags"
    REVIEW_ESCALATED = "review escalated flags"
    HAND_OVER = "hand flags over"
    BULK = "decide in bulk"
    SEE_QUEUE = "see the queue"
    SEE_QUALITY = "see quality figures"
    SEE_DECISIONS = "read what everybody decided"
    SEE_AUDIT = "see the audit log"
    SET_POLICIES = "set policies"
    MANAGE_PEOPLE = "manage people"
    USE_API = "use the API"


_REVIEWER: Final = frozenset({Right.REVIEW, Right.HAND_OVER, Right.SEE_QUEUE, Right.USE_API})
_SENIOR: Final = _REVIEWER | {Right.REVIEW_ESCALATED, Right.BULK}
RIGHTS: Final[dict[Role, frozenset[Right]]] = {
    Role.REVIEWER: _REVIEWER,
    Role.SENIOR: _SENIOR,
    Role.SUPERVISOR: _SENIOR | {Right.SEE_QUALITY, Right.SEE_DECISIONS, Right.SET_POLICIES},
    Role.ADMIN: frozenset(
        {Right.SEE_QUEUE, Right.SET_POLICIES, Right.MANAGE_PEOPLE, Right.SEE_AUDIT}
    ),
    Role.AUDITOR: frozenset(
        {Right.SEE_QUEUE, Right.SEE_QUALITY, Right.SEE_DECISIONS, Right.SEE_AUDIT}
    ),
    Role.SERVICE: frozenset({Right.USE_API, Right.SEE_QUEUE, Right.SEE_DECISIONS}),
}


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is signed in.

    Attributes:
        name: Pseudonymous; stands in decisions, leases and the audit log.
        roles: What this person is here for.
        title: Shown to the person alone; never stored with a decision.
        session: Name of the session, not its secret; signed addresses are bound to it.
    """

    name: str
    roles: frozenset[Role]
    title: str = ""
    session: str = field(default="", compare=False)

    @property
    def rights(self) -> frozenset[Right]:
        return frozenset().union(*(RIGHTS[role] for role in self.roles))

    def may(self, right: Right) -> bool:
        return right in self.rights

    @property
    def pools(self) -> tuple[Pool, ...]:
        """Where this person's flags come from, the first first."""
        if self.may(Right.REVIEW_ESCALATED):
            return (Pool.ESCALATED, Pool.READY)
        return (Pool.READY,) if self.may(Right.REVIEW) else ()


_NAME: Final[TypeAdapter[str]] = TypeAdapter(Identifier)


def checked_name(name: str) -> str:
    """A name that decisions can carry.

    Raises:
        ConfigurationRejected: It holds other characters, or is too long.
    """
    try:
        return _NAME.validate_python(name)
    except ValidationError as error:
        raise ConfigurationRejected(
            f"name {name[:80]!r}: expected letters, digits and . : @ / + = ~ - _ only"
        ) from error


def known_roles(names: object, prefix: str = "") -> frozenset[Role]:
    """The roles among some names, with `prefix` before each; all others are passed over.

    Args:
        names: A list of strings, or one string with commas or spaces between.
        prefix: What stands before a role's name, such as `flagpost-`.
    """
    if isinstance(names, str):
        names = names.replace(",", " ").split()
    if not isinstance(names, list | tuple | set | frozenset):
        return frozenset()
    known = {f"{prefix}{role.value}": role for role in Role}
    return frozenset(known[name] for name in names if isinstance(name, str) and name in known)
