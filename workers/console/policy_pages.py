"""The policies page: what counts as what, how bad it is and how soon somebody must look.

Every save is a new version, in force at once. Whoever saves over a version they did not see is
told what changed in the meantime, with their own form kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from pydantic import ValidationError
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from schemas.flags import Severity
from schemas.policies import DEFAULT_POLICIES, MOST_POLICIES, Policy
from workers.console.access import needs
from workers.console.pages import render
from workers.console.parts import ConsoleParts, Parts
from workers.console.people import Person, Right
from workers.review.policies import PolicyConflict, PolicySet

VERSIONS_SHOWN: Final = 10
BLANK: Final = {
    "code": "", "title": "", "guidance": "", "severity": "high", "threshold": "0", "sla": "120",
    "active": True,
}  # fmt: skip
NAMES: Final = {
    "title": "title",
    "guidance": "guidance",
    "severity": "severity",
    "threshold": "threshold",
    "sla": "seconds to review",
    "active": "in force",
}

router = APIRouter()
Setter = Annotated[Person, Depends(needs(Right.SET_POLICIES))]
Row = dict[str, Any]
"""One policy as it stands in the form: text as typed, and whether it is in force."""


@dataclass(frozen=True, slots=True)
class Revision:
    """A version in the history, and what it changed."""

    version: int
    changed_at: datetime | None
    by: str | None
    changes: tuple[str, ...]


async def posted_form(request: Request) -> FormData:
    """The form as it came; the guard has read it already."""
    return await request.form()


Posted = Annotated[FormData, Depends(posted_form)]


@router.get("/settings")
def policies_page(request: Request, _setter: Setter, parts: Parts, saved: int = 0) -> Response:
    """The policies in force, in a form, with their history."""
    current = parts.policies.current()
    said = f"Version {saved} is in force." if saved == current.version and saved else ""
    return _page(request, parts, current, rows_of(current.policies), said=said)


@router.post("/settings")
def save_policies(request: Request, setter: Setter, parts: Parts, form: Posted) -> Response:
    """Saves a new version, or says why not and keeps what was typed."""
    rows, expected = rows_from(form), _number(form.get("version"))
    current = parts.policies.current()
    policies, problems = policies_from(rows)
    if problems:
        return _page(request, parts, current, rows, problems=problems, status=422, kept=expected)
    try:
        saved = parts.policies.save(policies, setter.name, expected)
    except PolicyConflict:
        seen = _version(parts, expected)
        current = parts.policies.current()
        theirs = changes_between(seen.policies, current.policies) if seen else ()
        return _page(request, parts, current, rows, theirs=theirs or ("It is not known what.",))
    changes = changes_between(current.policies, saved.policies)
    parts.audit.append(
        setter.name, "policies.save", f"version {saved.version}", changes="; ".join(changes)[:2000]
    )
    return RedirectResponse(f"/settings?saved={saved.version}", 303)


def rows_of(policies: Sequence[Policy]) -> list[Row]:
    return [
        {
            "code": policy.code,
            "title": policy.title,
            "guidance": policy.guidance,
            "severity": policy.severity.value,
            "threshold": f"{policy.threshold:g}",
            "sla": f"{policy.sla.total_seconds():g}",
            "active": policy.active,
        }
        for policy in policies
    ]


def rows_from(form: FormData) -> list[Row]:
    """The rows of a form; one that is wholly blank is no policy."""
    columns = {
        name: [str(text) for text in form.getlist(name)] for name in BLANK if name != "active"
    }
    count = min((len(texts) for texts in columns.values()), default=0)
    active = {str(number) for number in form.getlist("active")}
    rows = [
        {name: texts[number].strip() for name, texts in columns.items()}
        | {"active": str(number) in active}
        for number in range(count)
    ]
    return [row for row in rows if row["code"] or row["title"] or row["guidance"]]


def policies_from(rows: Sequence[Row]) -> tuple[tuple[Policy, ...], list[str]]:
    """The policies that rows describe, and what is wrong with those that describe none."""
    policies: list[Policy] = []
    problems: list[str] = []
    for number, row in enumerate(rows, 1):
        try:
            policies.append(Policy.model_validate(row | {"sla": _seconds(row["sla"])}))
        except ValidationError as error:
            problems += [
                f"{row['code'] or f'Policy {number}'}, {_named(one['loc'])}: {one['msg']}"
                for one in error.errors(include_url=False)
            ]
    codes = [policy.code for policy in policies]
    problems += [f"{code}: there are two policies of this code" for code in _doubled(codes)]
    if len(rows) > MOST_POLICIES:
        problems.append(f"There are {len(rows)} policies; {MOST_POLICIES} fit")
    if not any(policy.active for policy in policies) and not problems:
        problems.append("No policy would be in force: nothing could be called violent any more")
    return tuple(policies), problems


def changes_between(before: Sequence[Policy], after: Sequence[Policy]) -> tuple[str, ...]:
    """What one version changed, one sentence for each policy."""
    old = {policy.code: policy for policy in before}
    new = {policy.code: policy for policy in after}
    found = [f"{code} added" for code in new if code not in old]
    found += [f"{code} removed" for code in old if code not in new]
    for code in new.keys() & old.keys():
        changed = _fields_changed(old[code], new[code])
        if changed:
            found.append(f"{code}: {', '.join(changed)}")
    return tuple(sorted(found))


def history_of(versions: Sequence[PolicySet]) -> list[Revision]:
    """Versions, newest first, each with what it changed against the one before it.

    The first one ever saved is compared with the shipped policies.
    """
    revisions = []
    for number, one in enumerate(versions):
        earlier = versions[number + 1] if number + 1 < len(versions) else DEFAULT_POLICIES
        changes = changes_between(earlier.policies, one.policies)
        revisions.append(Revision(one.version, one.changed_at, one.by, changes))
    return revisions


def _page(
    request: Request,
    parts: ConsoleParts,
    current: PolicySet,
    rows: Sequence[Row],
    *,
    status: int = 200,
    said: str = "",
    problems: Sequence[str] = (),
    theirs: Sequence[str] = (),
    kept: int | None = None,
) -> Response:
    """The form over `rows`; after a conflict it answers the version that is in force now."""
    return render(
        request,
        "settings.html",
        status_code=409 if theirs else status,
        current=current,
        version=current.version if kept is None else kept,
        rows=[*rows, BLANK],
        known={policy.code for policy in current.policies},
        severities=[severity.value for severity in Severity],
        revisions=history_of(parts.policies.history(VERSIONS_SHOWN + 1))[:VERSIONS_SHOWN],
        said=said,
        problems=problems,
        theirs=theirs,
    )


def _version(parts: ConsoleParts, number: int) -> PolicySet | None:
    known = (*parts.policies.history(VERSIONS_SHOWN * 5), DEFAULT_POLICIES)
    return next((one for one in known if one.version == number), None)


def _fields_changed(old: Policy, new: Policy) -> list[str]:
    before, after = rows_of([old, new])
    return [
        f"{name} changed"
        if field == "guidance"
        else f"{name} {_said(before, field)} → {_said(after, field)}"
        for field, name in NAMES.items()
        if before[field] != after[field]
    ]


def _seconds(text: str) -> float | str:
    """A duration as it was typed; what is no number is left for the policy to refuse."""
    try:
        return float(text)
    except ValueError:
        return text


def _said(row: Row, field: str) -> str:
    if field == "active":
        return "yes" if row[field] else "no"
    return str(row[field])


def _named(location: tuple[int | str, ...]) -> str:
    field = str(location[0]) if location else ""
    return NAMES.get(field, field or "as a whole")


def _doubled(codes: Sequence[str]) -> list[str]:
    return sorted({code for code in codes if codes.count(code) > 1})


def _number(text: object) -> int:
    return int(text) if isinstance(text, str) and text.isdecimal() and len(text) < 10 else -1
