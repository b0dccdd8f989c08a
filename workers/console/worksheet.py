"""What the work page says of the flag that a person holds: facts in words, ready for a template."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from schemas.flags import Flag
from schemas.policies import PolicySet
from workers.console.gallery import CLIP_NAME, pieces
from workers.console.glance import FlagGlance
from workers.console.media import address
from workers.console.onair import LIVE_WITHIN
from workers.console.pages import clock, lasting
from workers.console.parts import ConsoleParts
from workers.console.people import Person
from workers.console.preferences import Preferences
from workers.console.scoreline import ScoreLine, score_line
from workers.console.signing import AddressRefused, Level
from workers.console.verdicts import NOTE_LIMIT, REASONS, new_request
from workers.review.answers import Lease
from workers.review.board import FlagRecord
from workers.review.history import StreamHistory

WARN_BEFORE: Final = timedelta(seconds=60)
WARN_AFTER_SHARE: Final = 0.5
"""A lease shorter than two minutes warns at half of it."""
DIGITS: Final = 9


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture as the page shows it. `missing` says why it cannot be shown."""

    number: int
    name: str
    at: datetime
    score: float
    level: Level
    src: str
    alt: str
    is_over: bool
    is_peak: bool
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """One button that decides: what it sends, its digit, its words."""

    value: str
    digit: str
    title: str
    hint: str = ""
    is_suggested: bool = False


@dataclass(frozen=True, slots=True)
class Fact:
    """One line about the stream."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """A flag under a lease, in words and addresses."""

    flag: Flag
    epoch: int
    request: str
    ends_at: datetime
    left_s: float
    warn_s: float
    title: str
    guidance: str
    due: datetime | None
    is_overdue: bool
    is_escalated: bool
    shots: tuple[Shot, ...]
    stage: Shot | None
    clip_src: str
    has_clip: bool
    clip_text: str
    missing: tuple[str, ...]
    line: ScoreLine
    on_air: tuple[str, str]
    facts: tuple[Fact, ...]
    past: StreamHistory
    violent: tuple[Choice, ...]
    not_violent: tuple[Choice, ...]
    note_limit: int = NOTE_LIMIT


@dataclass(frozen=True, slots=True)
class Looking:
    """What the person asked to see: a picture on the stage, and the token of a reveal."""

    picture: str = ""
    token: str = ""


def sheet(
    parts: ConsoleParts, person: Person, lease: Lease, looking: Looking, known: FlagGlance
) -> Sheet:
    """Everything the page says of a flag."""
    flag, now = lease.flag, datetime.now(UTC)
    record, policies = known.record, known.policies
    problems = parts.gallery.look(flag)
    level = _level(parts, person, flag, looking)
    shots = _shots(parts, person, flag, looking, level, problems)
    left = lease.ends_at - now
    policy = policies.policy(flag.policy)
    return Sheet(
        flag=flag,
        epoch=lease.epoch,
        request=new_request(parts.secret, person, flag.flag_id, lease.epoch),
        ends_at=lease.ends_at,
        left_s=max(0.0, left.total_seconds()),
        warn_s=min(WARN_BEFORE, parts.settings.lease * WARN_AFTER_SHARE).total_seconds(),
        title=policy.title if policy else flag.policy.replace("_", " ").capitalize(),
        guidance=policy.guidance if policy else "",
        due=record.due if record else None,
        is_overdue=bool(record and record.due < now),
        is_escalated=bool(record and record.is_escalated),
        shots=shots,
        stage=_stage(shots, looking),
        clip_src=_clip_src(flag, looking, level),
        has_clip=flag.evidence.clip is not None,
        clip_text=_clip_text(flag),
        missing=_missing(flag, problems),
        line=score_line(flag),
        on_air=_on_air(known.silent),
        facts=_facts(flag, record),
        past=known.past,
        violent=_violent(policies, flag.policy),
        not_violent=_not_violent(),
    )


def _level(parts: ConsoleParts, person: Person, flag: Flag, looking: Looking) -> Level:
    """What the page's token opens; blurred where it opens nothing any more."""
    if not looking.token:
        return Level.BLURRED
    try:
        return parts.signer.check(person, flag.flag_id, looking.picture, looking.token)
    except AddressRefused:
        return Level.BLURRED


def _shots(
    parts: ConsoleParts,
    person: Person,
    flag: Flag,
    looking: Looking,
    level: Level,
    problems: Mapping[str, str],
) -> tuple[Shot, ...]:
    pictures = flag.evidence.pictures
    peak = max((picture.score for picture in pictures), default=0.0)
    shots = []
    for number, picture in enumerate(pictures, 1):
        name = picture.key.rsplit("/", 1)[-1]
        shown = level if name == looking.picture and level is not Level.CLIP else Level.BLURRED
        how = {Level.GREY: "in grey", Level.COLOUR: "in colour"}.get(shown, "blurred")
        src = address(parts, person, flag.flag_id, name)
        if shown is not Level.BLURRED:
            src = f"/media/{flag.flag_id}/{name}?token={looking.token}"
        shots.append(
            Shot(
                number=number,
                name=name,
                at=picture.at,
                score=picture.score,
                level=shown,
                src=src,
                alt=f"Picture {number} of {len(pictures)}, {how}: "
                f"score {picture.score:.2f} at {clock(picture.at)}",
                is_over=picture.score >= flag.threshold,
                is_peak=picture.score == peak,
                missing=problems.get(name, ""),
            )
        )
    return tuple(shots)


def _stage(shots: tuple[Shot, ...], looking: Looking) -> Shot | None:
    """The picture that was asked for, or the one with the highest score."""
    wanted = [shot for shot in shots if shot.name == looking.picture]
    peaks = [shot for shot in shots if shot.is_peak]
    return next(iter(wanted or peaks), None)


def _clip_src(flag: Flag, looking: Looking, level: Level) -> str:
    if level is not Level.CLIP:
        return ""
    return f"/media/{flag.flag_id}/{CLIP_NAME}?token={looking.token}"


def _clip_text(flag: Flag) -> str:
    clip = flag.evidence.clip
    if clip is None:
        return "No clip was kept."
    return f"{lasting(clip.ends_at - clip.starts_at)} from {clock(clip.starts_at)}"


def _missing(flag: Flag, problems: Mapping[str, str]) -> tuple[str, ...]:
    found = [f"Picture {name}: {why}." for name, why in problems.items()]
    if flag.evidence.missing:
        found.append(f"The worker could not keep everything: {flag.evidence.missing}.")
    if not pieces(flag):
        found.append("There are no pictures and no clip.")
    return tuple(found)


def _on_air(silent: timedelta | None) -> tuple[str, str]:
    """Words and badge for how long ago a stream was heard."""
    if silent is None:
        return "Not heard for a day", "is-plain"
    if silent <= LIVE_WITHIN:
        return "Live now", "is-live"
    return f"Off air for {lasting(silent)}", ""


def _facts(flag: Flag, record: FlagRecord | None) -> tuple[Fact, ...]:
    metadata = flag.metadata
    found = [
        ("Stream", flag.stream_id),
        ("Category", metadata.category),
        ("Language", metadata.language),
        ("Device", metadata.device),
        ("Incident", f"{clock(flag.onset_at)} to {clock(flag.last_at)}, {lasting(flag.duration)}"),
        ("Incident is", "over" if flag.closed else "still going on when last seen"),
        ("Score", f"{flag.peak:.2f}, the median of looks in a row at its highest"),
        ("Looks", f"{flag.looks} scored frames"),
        ("Model", f"{flag.model} {flag.model_version}"),
    ]
    if record is not None and record.expiries:
        found.append(("Leases that ran out", str(record.expiries)))
    return tuple(Fact(name, text) for name, text in found if text)


def _violent(policies: PolicySet, suspected: str) -> tuple[Choice, ...]:
    active = [policy for policy in policies.policies if policy.active]
    return tuple(
        Choice(
            value=f"violent:{policy.code}",
            digit=str(number) if number <= DIGITS else "",
            title=policy.title,
            hint=policy.code,
            is_suggested=policy.code == suspected,
        )
        for number, policy in enumerate(active, 1)
    )


def _not_violent() -> tuple[Choice, ...]:
    return tuple(
        Choice(value=f"not_violent:{reason.value}", digit=str(number), title=title)
        for number, (reason, title) in enumerate(REASONS.items(), 1)
    )


def key_hints(preferences: Preferences) -> dict[str, str]:
    """Keys as the page shows them; none where the person switched them off."""
    return {
        action: key.upper() if preferences.keys_on else ""
        for action, key in preferences.keys.items()
    }
