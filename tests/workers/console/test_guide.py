"""The guide: true of this console's settings and of this person's keys."""

from schemas.policies import DEFAULT_POLICIES
from workers.console.people import Role


def test_the_guide_shows_the_keys_that_the_person_chose(signed, parts):
    ana = signed("ana")
    keys = dict(parts.preferences.of("ana").keys) | {"violent": "w"}
    parts.preferences.set_keys("ana", keys, on=True)
    page = ana.get("/guide").text
    assert "<kbd>W</kbd>" in page
    assert "<kbd>V</kbd>" not in page


def test_switched_off_keys_are_not_promised(signed, parts):
    ana = signed("ana")
    parts.preferences.set_keys("ana", parts.preferences.of("ana").keys, on=False)
    page = ana.get("/guide").text
    assert "You switched shortcut keys off" in page
    assert "<kbd>" not in page


def test_the_guide_names_the_policies_in_force_and_the_limits_that_hold(signed, parts):
    off = [p.model_copy(update={"active": p.code != "gore"}) for p in DEFAULT_POLICIES.policies]
    parts.policies.save(off, "eva", 0)
    page = signed("ana").get("/guide").text
    assert "Physical violence" in page
    assert "Injury and gore" not in page
    assert f"after {parts.settings.exposure_prompt}" in page
    assert "3 min" in page


def test_who_does_not_review_is_not_asked_to_start(signed):
    assert "/work/next" not in signed("kim", Role.AUDITOR).get("/guide").text
