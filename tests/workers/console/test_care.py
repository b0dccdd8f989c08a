"""People look after themselves: numbers of their own, categories, keys, colours."""

from datetime import timedelta

import pytest

from tests.workers.console.flags import enqueue, take
from tests.workers.review.flags import flag
from workers.console.people import Role
from workers.console.preferences import ACTIONS, ShortcutRejected, checked_keys


@pytest.fixture
def ana(signed):
    browser = signed("ana")
    browser.get("/care")
    return browser


def test_everybody_sees_their_own_numbers_only(ana, signed, parts):
    for _ in range(3):
        parts.exposure.reserve("ben", "violence", timedelta(0))
    assert ">0<" in ana.get("/care").text
    assert ">3<" in signed("ben").get("/care").text


def test_flags_of_a_category_that_was_left_out_go_to_others(ana, signed, parts):
    enqueue(parts, flag(1, policy="gore"))
    ana.post("/care/categories", policy=["violence", "weapon"])
    assert take(ana)[0] == ""
    assert "You opted out of 3 categories." in ana.get("/work").text
    assert take(signed("ben"))[0] != ""


def test_somebody_must_have_a_category_left(ana, parts):
    refused = ana.post("/care/categories")
    assert "Keep at least one category" in refused.text
    assert parts.preferences.of("ana").without == frozenset()


def keys(**changes: str) -> dict[str, str]:
    return {f"key.{action}": changes.get(action, key) for action, (key, _) in ACTIONS.items()}


def test_a_key_is_remapped_and_shown_on_its_button(ana, parts):
    enqueue(parts, flag(1))
    ana.post("/care/keys", on="yes", **keys(violent="y"))
    take(ana)
    assert "Violent <kbd" in ana.get("/work").text
    assert ">Y</kbd>" in ana.get("/work").text


def test_shortcuts_are_switched_off_whole(ana, parts):
    enqueue(parts, flag(1))
    ana.post("/care/keys", **keys())
    take(ana)
    page = ana.get("/work").text
    assert 'data-keys-on="no"' in page
    assert ">V</kbd>" not in page


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"violent": "n"}, "stands for both"),
        ({"violent": "5"}, "digits choose policies"),
        ({"violent": "ctrl"}, "expected one letter or sign"),
    ],
)
def test_keys_that_cannot_work_are_refused_and_shown_as_typed(ana, parts, changes, why):
    refused = ana.post("/care/keys", on="yes", **keys(**changes))
    assert (refused.status_code, why in refused.text) == (422, True)
    assert f'value="{changes["violent"]}"' in refused.text
    assert parts.preferences.of("ana").keys["violent"] == "v"


def test_an_empty_key_switches_one_shortcut_off():
    assert checked_keys({"skip": ""})["skip"] == ""
    with pytest.raises(ShortcutRejected):
        checked_keys({"skip": "h"})


def test_defaults_come_back(ana, parts):
    ana.post("/care/keys", on="yes", **keys(violent="y"))
    ana.post("/care/keys", on="yes", defaults="yes", **keys(violent="q"))
    assert parts.preferences.of("ana").keys["violent"] == "v"


@pytest.mark.parametrize(("theme", "shown"), [("dark", "dark"), ("light", "light"), ("x", "auto")])
def test_colours_are_chosen_for_the_browser(ana, theme, shown):
    ana.post("/care/theme", theme=theme)
    assert f'data-theme="{shown}"' in ana.get("/care").text


def test_who_does_not_review_has_nothing_to_care_for(signed):
    assert signed("kim", Role.AUDITOR).get("/care").status_code == 403
