"""Pictures leave blurred; clear ones only by a signed address, counted and logged first."""

import hashlib
import re
from datetime import timedelta
from pathlib import Path

import pytest

from tests.media import picture
from tests.servers import wait_until
from tests.workers.console.flags import blurred_addresses, hidden, store_flag, take
from workers.console.blur import grey
from workers.console.media import address
from workers.console.people import Person, Role
from workers.console.signing import Level
from workers.review.desk import Pool

LOCATION = re.compile(r"/work\?picture=(?P<name>[^&]+)&token=(?P<token>[^#]+)#stage")


def revealed(browser, flag_id: str, show: str) -> str:
    """The signed address that a reveal leads to."""
    answer = browser.post(f"/work/{flag_id}/reveal", show=show)
    found = LOCATION.match(answer.headers["location"])
    assert found is not None, answer.text
    return f"/media/{flag_id}/{found['name']}?token={found['token']}"


@pytest.fixture
def ana(signed, parts):
    """A reviewer who holds a flag."""
    parts_flag = store_flag(parts)
    browser = signed("ana")
    take(browser)
    browser.flag = parts_flag
    return browser


def test_a_work_page_holds_only_blurred_pictures(ana, logged):
    addresses = blurred_addresses(ana.get("/work").text)
    clear = picture("JPEG", size=(320, 180))
    bodies = [ana.get(found).content for found in addresses]
    assert len(bodies) >= 2
    assert all(body not in (clear, grey(clear)) for body in bodies)
    assert logged("media.get") == []


@pytest.mark.parametrize("level", ["grey", "colour"])
def test_a_reveal_shows_one_picture_and_logs_it_twice(ana, logged, level):
    shown = ana.get(revealed(ana, ana.flag.flag_id, f"{level}:01.jpg"))
    clear = ana.parts.evidence.get(ana.flag.evidence.pictures[1].key)
    assert shown.content == (clear if level == "colour" else grey(clear))
    (asked,), (sent,) = logged("flag.reveal"), logged("media.get")
    assert asked["detail"] == {"file": "01.jpg", "level": level}
    assert (sent["subject"], sent["detail"]["level"]) == (ana.flag.flag_id, level)


def test_every_clear_answer_has_its_entry(ana, logged):
    opened = revealed(ana, ana.flag.flag_id, "colour:00.jpg")
    for _ in range(3):
        assert ana.get(opened).status_code == 200
    assert len(logged("media.get")) == 3


def test_no_clear_byte_leaves_when_the_log_cannot_be_written(ana, parts):
    opened = revealed(ana, ana.flag.flag_id, "colour:00.jpg")
    parts.audit.close()
    log = Path(parts.audit.path)
    log.rename(log.with_suffix(".away"))
    log.mkdir()
    answer = ana.get(opened)
    assert answer.status_code == 503
    clear = parts.evidence.get(ana.flag.evidence.pictures[0].key)
    assert clear not in answer.content
    assert ana.post(f"/work/{ana.flag.flag_id}/reveal", show="grey:00.jpg").status_code == 503
    log.rmdir()
    log.with_suffix(".away").rename(log)


def test_a_reveal_is_counted(ana, parts):
    revealed(ana, ana.flag.flag_id, "grey:00.jpg")
    assert parts.exposure.of("ana").reveals_by_policy == {"violence": 1}


def test_only_the_holder_can_reveal(ana, signed, logged):
    ben = signed("ben")
    ben.get("/work")
    answer = ben.post(f"/work/{ana.flag.flag_id}/reveal", show="colour:00.jpg")
    assert answer.status_code == 409
    assert "ana has the flag now" in answer.text
    assert logged("flag.reveal")[-1]["outcome"] == "denied"


def test_an_address_opens_nothing_for_another_session_of_the_same_person(ana, signed, logged):
    opened = revealed(ana, ana.flag.flag_id, "colour:00.jpg")
    assert signed("ana").get(opened).status_code == 403
    assert signed("ben").get(opened).status_code == 403
    assert [entry["outcome"] for entry in logged("media.get")] == ["denied", "denied"]


@pytest.mark.parametrize("other", ["01.jpg", "clip.mp4", "%2e%2e%2fprobe"])
def test_an_address_opens_nothing_but_its_own_file(ana, other):
    opened = revealed(ana, ana.flag.flag_id, "colour:00.jpg")
    assert ana.get(opened.replace("00.jpg", other)).status_code in (403, 404)


def test_a_blurred_address_shows_no_more_when_it_is_changed(ana):
    token = blurred_addresses(ana.get("/work").text)[0].partition("token=")[2]
    for forged in ("", "x", token[:-1], token + "x", token.replace(".", "..")):
        answer = ana.get(f"/media/{ana.flag.flag_id}/00.jpg", params={"token": forged})
        assert answer.status_code == 403


def test_an_address_dies(ana, parts):
    session = ana.get("/probe").json()["session"]
    person = Person("ana", frozenset({Role.REVIEWER}), session=session)
    dead = address(parts, person, ana.flag.flag_id, "00.jpg", Level.COLOUR, timedelta(seconds=-1))
    answer = ana.get(dead)
    assert (answer.status_code, "expired" in answer.text) == (410, True)


def test_at_the_cap_nothing_is_revealed_and_the_note_is_kept(ana, parts, logged):
    while parts.exposure.of("ana").left > 1:
        parts.exposure.reserve("ana", "violence", timedelta(0))
    revealed(ana, ana.flag.flag_id, "grey:00.jpg")
    answer = ana.post(f"/work/{ana.flag.flag_id}/reveal", show="grey:01.jpg", note="half a note")
    assert "as much today as the console shows" in answer.text
    assert "half a note" in answer.text
    assert logged("flag.reveal")[-1]["detail"]["because"] == "exposure cap"


def test_changed_evidence_does_not_leave(ana, parts):
    opened = revealed(ana, ana.flag.flag_id, "colour:00.jpg")
    parts.evidence.put(ana.flag.evidence.pictures[0].key, picture("JPEG", (1, 2, 3)))
    answer = ana.get(opened)
    assert (answer.status_code, "changed after the worker stored it" in answer.text) == (404, True)


def test_missing_evidence_is_said_and_can_be_set_aside(signed, parts):
    kept = store_flag(parts)
    Path(parts.evidence.url, kept.evidence.pictures[0].key).unlink()
    ana = signed("ana")
    flag_id, form = take(ana)
    page = ana.get("/work").text
    assert "Picture 00.jpg: gone or out of reach." in page
    assert "Set aside for a supervisor" in page
    ana.post(f"/work/{flag_id}/park", epoch=form["epoch"])
    assert parts.board.parked()[0].parked_because == "evidence is missing"


def test_a_clip_is_seekable_and_each_piece_is_logged(ana, parts, logged):
    opened = revealed(ana, ana.flag.flag_id, "clip:clip.mp4")
    whole = parts.evidence.get(ana.flag.evidence.clip.key)
    assert hashlib.sha256(ana.get(opened).content).digest() == hashlib.sha256(whole).digest()
    part = ana.get(opened, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(whole)}"
    assert [entry["detail"]["range"] for entry in logged("media.get")] == [None, "bytes=10-19"]


@pytest.mark.parametrize(
    ("wanted", "status", "length"),
    [
        ("bytes=0-", 206, None),
        ("bytes=-5", 206, 5),
        ("bytes=0-999999999", 206, None),
        ("bytes=999999999-", 416, 0),
        ("bytes=-0", 416, 0),
        ("bytes=5-2", 200, None),
        ("bytes=0-1,3-4", 200, None),
        ("bytes=-", 200, None),
        ("furlongs=1-2", 200, None),
        ("bytes=" + "9" * 40 + "-", 200, None),
    ],
)
def test_odd_ranges_are_answered_as_the_rfc_allows(ana, parts, wanted, status, length):
    opened = revealed(ana, ana.flag.flag_id, "clip:clip.mp4")
    answer = ana.get(opened, headers={"Range": wanted})
    whole = len(parts.evidence.get(ana.flag.evidence.clip.key))
    assert (answer.status_code, len(answer.content)) == (
        status,
        whole if length is None else length,
    )


def test_a_supervisor_without_the_flag_cannot_open_its_pictures(ana, signed):
    sue = signed("sue", Role.SUPERVISOR)
    opened = revealed(ana, ana.flag.flag_id, "colour:00.jpg")
    assert sue.get(opened).status_code == 403


@pytest.mark.parametrize("action", ["skip", "release", "decide"])
def test_a_clear_address_dies_with_the_claim(ana, logged, action):
    opened = revealed(ana, ana.flag.flag_id, "colour:00.jpg")
    form = hidden(ana.get("/work").text)
    ana.post(f"/work/{ana.flag.flag_id}/{action}", choice="unsure", then="stop", **form)
    answer = ana.get(opened)
    assert (answer.status_code, "blurred again" in answer.text) == (403, True)
    assert logged("media.get")[-1]["detail"]["because"] == "not held"


def test_a_clear_address_works_after_the_lease_while_nobody_took_the_flag(ana, parts, signed):
    opened = revealed(ana, ana.flag.flag_id, "colour:00.jpg")
    epoch = parts.desk.held_by("ana").epoch
    parts.desk.renew(ana.flag.flag_id, "ana", epoch, timedelta(milliseconds=1))
    wait_until(lambda: parts.desk.held_by("ana") is None)
    assert ana.get(opened).status_code == 200
    take(signed("ben"))
    assert ana.get(opened).status_code == 403


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.ADMIN])
def test_a_clear_address_dies_with_the_role(ana, parts, role):
    opened = revealed(ana, ana.flag.flag_id, "colour:00.jpg")
    parts.people.add("ana", [role])
    assert ana.get(opened).status_code == 403


def test_somebody_who_is_no_senior_any_more_sees_nothing_clear_of_what_was_escalated(signed, parts):
    kept = store_flag(parts)
    parts.desk.move(kept.flag_id, Pool.ESCALATED, "sue")
    lee = signed("lee", Role.SENIOR)
    take(lee)
    opened = revealed(lee, kept.flag_id, "colour:00.jpg")
    parts.people.add("lee", [Role.REVIEWER])
    assert lee.get(opened).status_code == 403
    assert "location" not in lee.post(f"/work/{kept.flag_id}/reveal", show="grey:00.jpg").headers
