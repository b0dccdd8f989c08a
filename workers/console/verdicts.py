"""From a filled-in form to a decision, and from the queue's answer to a sentence."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Final

from itsdangerous import BadData, URLSafeSerializer

from schemas.decisions import Decision, Reason, Verdict
from schemas.policies import PolicySet
from workers.console.people import Person
from workers.review.desk import Answer

NOTE_LIMIT: Final = 2000
REASONS: Final = {
    Reason.GAME: "Game",
    Reason.SPORT: "Sport",
    Reason.FILM: "Film or show",
    Reason.OTHER: "Other",
}


REFUSED: Final = {
    Answer.MISSING: "This flag is not in the queue any more. Nothing was recorded.",
    Answer.FORBIDDEN: "You may not do this with this flag. Nothing was recorded.",
    Answer.TOO_LATE: "Too late to undo: tell a supervisor, who can have it reviewed again.",
    Answer.EXPORTED: "It was exported already and cannot be undone here: tell a supervisor.",
    Answer.ESCALATED: "Taken back. It was the second of two verdicts, so a senior decides now.",
    Answer.NOT_YOURS: "Somebody else decided this one.",
    Answer.NOT_DECIDED: "There is nothing to undo: it is not decided.",
}
"""What is said of answers that need no more facts."""


class FormRefused(ValueError):
    """A form that says nothing that can be recorded; the text says how to mend it."""


def new_request(secret: bytes, person: Person, flag_id: str, epoch: int) -> str:
    """A request id for one showing of one claim, in a form that only this session can send back.

    A double click or a repeated POST carries the same id and is one decision.
    """
    return str(_serializer(secret, person).dumps([flag_id, epoch, secrets.token_hex(8)]))


def request_id(secret: bytes, person: Person, flag_id: str, epoch: int, token: str) -> str:
    """The id inside what `new_request` made.

    Raises:
        FormRefused: It was made for another session, flag or claim.
    """
    try:
        made_for, made_epoch, name = _serializer(secret, person).loads(token)
    except (BadData, ValueError, TypeError) as error:
        raise FormRefused("This form is not of this session. Nothing was recorded.") from error
    if (made_for, made_epoch) != (flag_id, epoch):
        raise FormRefused("This form was made for another flag. Nothing was recorded.")
    return f"{name}-{epoch}"


def plain_note(text: str) -> str:
    """A note as it is stored: browsers send line ends as CRLF and count them as one."""
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()


def decision_from(
    choice: str,
    note: str,
    *,
    person: Person,
    flag_id: str,
    epoch: int,
    request: str,
    policies: PolicySet,
) -> Decision:
    """The decision that a form asks for.

    Args:
        choice: `violent:POLICY`, `not_violent:REASON` or `unsure`.
        note: As typed.
        person: Who decides.
        flag_id: The flag.
        epoch: The claim that the form was made for.
        request: Its request id.
        policies: Those in force.

    Raises:
        FormRefused: Nothing, or something unknown, was chosen; or the note is too long.
    """
    note = plain_note(note)
    if len(note) > NOTE_LIMIT:
        raise FormRefused(
            f"The note has {len(note):,} characters; {NOTE_LIMIT:,} fit. "
            "Nothing was recorded: shorten it and decide again."
        )
    verdict, _, detail = choice.partition(":")
    if verdict not in tuple(Verdict):
        raise FormRefused("No verdict was chosen. Nothing was recorded.")
    return Decision(
        flag_id=flag_id,
        request_id=request,
        reviewer=person.name,
        epoch=epoch,
        verdict=Verdict(verdict),
        policy=_policy(detail, policies) if verdict == Verdict.VIOLENT else None,
        reason=_reason(detail) if verdict == Verdict.NOT_VIOLENT else None,
        note=note,
        decided_at=datetime.now(UTC),
    )


def verdict_text(verdict: Verdict | str, detail: str = "") -> str:
    """A verdict in words: `violent, weapon or threat`, `not violent, game`, `unsure`."""
    words = str(verdict).replace("_", " ")
    return f"{words}, {detail}" if detail else words


def recorded_text(answer: Answer, decision: Decision, policies: PolicySet) -> str:
    """What to say of a verdict that was taken."""
    policy = policies.policy(decision.policy or "")
    because = policy.title if policy else REASONS[decision.reason] if decision.reason else ""
    said = verdict_text(decision.verdict, because.lower())
    match answer:
        case Answer.ESCALATED if decision.verdict is Verdict.UNSURE:
            return "Passed on: a senior decides."
        case Answer.ESCALATED:
            return f"Recorded: {said}. Two verdicts differ, so a senior decides."
        case Answer.SECOND:
            return f"Recorded: {said}. Somebody else looks too, without seeing it."
        case Answer.REPLAY:
            return "This was recorded already. Nothing was written twice."
        case _:
            return f"Recorded: {said}."


def refused_text(answer: Answer, holder: str | None, decided: str | None) -> str:
    """What to say of an action that the queue did not take.

    Args:
        answer: What the queue said.
        holder: Who holds the flag now, if anybody.
        decided: What was decided of it, by whom and when, if it was.
    """
    match answer:
        case Answer.CONFLICT | Answer.DECIDED:
            was = decided or "It was decided"
            return f"{was} in the meantime. Yours was not recorded."
        case Answer.STALE if holder:
            return f"Your lease ended and {holder} has the flag now. Nothing was recorded."
        case Answer.STALE:
            return "Your lease ended and the flag went on. Nothing was recorded."
        case _:
            said = f"The queue said {answer.value}. Nothing was recorded."
            return REFUSED.get(answer, said)


def _policy(code: str, policies: PolicySet) -> str:
    if code not in {policy.code for policy in policies.policies if policy.active}:
        raise FormRefused(
            f"Policy {code or 'of no name'} is not in force: the policies changed. "
            "Nothing was recorded: choose again."
        )
    return code


def _reason(name: str) -> Reason:
    try:
        return Reason(name)
    except ValueError as error:
        raise FormRefused("No reason was chosen. Nothing was recorded.") from error


def _serializer(secret: bytes, person: Person) -> URLSafeSerializer:
    return URLSafeSerializer(secret, salt=f"decision\0{person.name}\0{person.session}".encode())
