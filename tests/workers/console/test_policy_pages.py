"""The policies page: versions, in force at once, and nothing overwritten unseen."""

from datetime import timedelta

import pytest

from schemas.flags import Severity
from tests.workers.console.flags import enqueue
from tests.workers.review.flags import flag
from workers.console.people import Role
from workers.console.policy_pages import changes_between, rows_of


@pytest.fixture
def eva(signed):
    return signed("eva", Role.SUPERVISOR)


def form(parts, version=None, **changes):
    """The page's form as it stands, with fields of the first policy changed."""
    rows = rows_of(parts.policies.current().policies)
    rows[0] |= changes
    fields = {name: [row[name] for row in rows] for name in rows[0] if name != "active"}
    fields["active"] = [str(number) for number, row in enumerate(rows) if row["active"]]
    wanted = parts.policies.current().version if version is None else version
    return fields | {"version": str(wanted)}


def saved(browser, **fields):
    browser.get("/settings")
    return browser.post("/settings", **fields)


def test_the_shipped_policies_are_shown_before_anybody_saved(eva):
    page = eva.get("/settings").text
    assert "version 0" in page
    assert "Physical violence" in page
    assert "Nobody has saved a version yet" in page


def test_a_save_is_a_new_version_in_force_at_once_and_in_the_history(eva, parts, logged):
    enqueue(parts, flag(1))
    before = parts.board.record(flag(1).flag_id)
    answer = saved(eva, **form(parts, severity="medium", sla="3600"))
    assert answer.headers["location"] == "/settings?saved=1"
    after = parts.board.record(flag(1).flag_id)
    assert after.severity is Severity.MEDIUM
    assert after.due - before.due == timedelta(seconds=3600 - 120), "a waiting flag is dated anew"
    page = eva.get("/settings?saved=1").text
    assert "Version 1 is in force." in page
    assert "severity high → medium, seconds to review 120 → 3600" in page
    assert logged("policies.save")[-1]["subject"] == "version 1"


def test_a_save_over_an_unseen_version_is_refused_and_keeps_what_was_typed(eva, signed, parts):
    stale = form(parts, title="What eva typed <i>")
    saved(signed("sam", Role.SUPERVISOR), **form(parts, sla="600"))
    answer = saved(eva, **stale)
    assert answer.status_code == 409
    assert "sam saved version 1 while you were typing" in answer.text
    assert "seconds to review 120 → 600" in answer.text
    assert "What eva typed &lt;i&gt;" in answer.text
    assert 'name="version" value="1"' in answer.text, "saving once more replaces knowingly"
    assert parts.policies.current().version == 1


def test_a_policy_can_be_added_and_taken_out_of_force(eva, parts):
    fields = form(parts, active=False)
    new = {"code": "fire", "title": "Arson", "guidance": "", "severity": "low", "sla": "60"}
    for name, text in (new | {"threshold": "0.5"}).items():
        fields[name].append(text)
    fields["active"].append(str(len(fields["code"]) - 1))
    assert saved(eva, **fields).status_code == 303
    current = parts.policies.current()
    assert not current.policies[0].active
    assert current.policy("fire").sla == timedelta(minutes=1)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"threshold": "1.5"}, "violence, threshold"),
        ({"threshold": "nan"}, "violence, threshold"),
        ({"sla": "soon"}, "violence, seconds to review"),
        ({"sla": "1"}, "violence, seconds to review"),
        ({"sla": "inf"}, "violence, seconds to review"),
        ({"title": ""}, "violence, title"),
        ({"title": "x" * 5000}, "violence, title"),
        ({"code": "weapon"}, "there are two policies of this code"),
        ({"code": "no spaces"}, "no spaces, code"),
    ],
)
def test_what_does_not_fit_is_named_kept_and_not_saved(eva, parts, changes, said):
    answer = saved(eva, **form(parts, **changes))
    assert answer.status_code == 422
    assert said in answer.text
    assert parts.policies.current().version == 0
    assert next(iter(changes.values())) in answer.text


def test_a_severity_that_there_is_not_is_refused(eva, parts):
    answer = saved(eva, **form(parts, severity="awful"))
    assert answer.status_code == 422
    assert "violence, severity" in answer.text


def test_more_policies_than_fit_are_refused(eva, parts):
    fields = form(parts)
    for number in range(50):
        new = {"code": f"p{number}", "title": "One more", "guidance": "", "severity": "low"}
        for name, text in (new | {"sla": "60", "threshold": "0"}).items():
            fields[name].append(text)
    answer = saved(eva, **fields)
    assert answer.status_code == 422
    assert "There are 55 policies; 40 fit" in answer.text


def test_no_policy_in_force_is_refused(eva, parts):
    fields = form(parts) | {"active": []}
    answer = saved(eva, **fields)
    assert answer.status_code == 422
    assert "nothing could be called violent" in answer.text


@pytest.mark.parametrize("version", ["", "x", "-1", "9" * 30])
def test_a_form_without_a_usable_version_saves_nothing(eva, parts, version):
    fields = form(parts) | {"version": version}
    assert saved(eva, **fields).status_code == 409
    assert parts.policies.current().version == 0


def test_a_reviewer_may_not_see_or_set_policies(signed, parts):
    ana = signed("ana")
    assert ana.get("/settings").status_code == 403
    assert ana.post("/settings", **form(parts, sla="600")).status_code == 403
    assert parts.policies.current().version == 0


def test_changes_are_told_in_words(parts):
    before = parts.policies.current().policies
    after = (before[0].model_copy(update={"active": False, "guidance": "new"}), *before[2:])
    assert changes_between(before, after) == (
        "violence: guidance changed, in force yes → no",
        "weapon removed",
    )
