"""The stream page, and one verdict on several flags of a stream."""

import re
from pathlib import Path

import pytest

from schemas.decisions import Verdict
from tests.workers.console.flags import blurred_addresses, enqueue, store_flag
from tests.workers.review.flags import decision, flag
from workers.console.people import Role
from workers.console.streams import stream_address
from workers.review.answers import FlagState, Pool

ROOM = "room/7"
GAME = "not_violent:game"


@pytest.fixture
def eva(signed):
    return signed("eva", Role.SUPERVISOR)


@pytest.fixture
def flags(parts):
    kept = [store_flag(parts, number, stream_id=ROOM) for number in range(3)]
    enqueue(parts, flag(9, stream_id="elsewhere"))
    return [one.flag_id for one in kept]


def token(text: str) -> str:
    found = re.search(r'name="token" value="([^"]+)"', text)
    assert found, text
    return found[1]


def checked(eva, flags, choice=GAME, note="", stream=ROOM):
    eva.get(stream_address(stream))
    return eva.post("/streams/check", stream_id=stream, flag_id=flags, choice=choice, note=note)


def decided(eva, page, flags, choice=GAME, note="", stream=ROOM):
    fields = {"stream_id": stream, "flag_id": flags, "choice": choice, "note": note}
    return eva.post("/streams/decide", token=token(page.text), **fields)


def test_a_stream_shows_all_its_flags_and_no_others(eva, flags):
    page = eva.get(stream_address(ROOM))
    assert page.status_code == 200
    assert "3 flags" in page.text
    assert all(one in page.text for one in flags)
    assert flag(9).flag_id not in page.text


def test_every_picture_of_the_page_is_blurred(eva, parts, flags):
    addresses = blurred_addresses(eva.get(stream_address(ROOM)).text)
    assert len(addresses) == 3
    stored = {path.read_bytes() for path in _jpegs(parts)}
    assert all(eva.get(address).content not in stored for address in addresses)


def _jpegs(parts):
    return Path(parts.evidence.url).rglob("*.jpg")


@pytest.mark.parametrize("stream_id", ["a/b/c", "a=b@c", "~x", "a/../b"])
def test_ids_with_slashes_and_signs_have_a_page_of_their_own(eva, parts, stream_id):
    enqueue(parts, flag(1, stream_id=stream_id))
    page = eva.get(stream_address(stream_id))
    assert page.status_code == 200
    assert f'<h1 class="is-id">{stream_id}</h1>' in page.text


def test_an_unknown_stream_says_so(eva):
    page = eva.get("/streams/<b>nobody")
    assert page.status_code == 404
    assert "There is no flag of a stream with this id." in page.text
    assert "<b>nobody" not in page.text


def test_a_flag_that_waits_for_a_second_verdict_does_not_show_the_first(eva, parts):
    enqueue(parts, flag(1, stream_id=ROOM))
    lease = parts.desk.claim("ben")
    parts.desk.move(lease.flag.flag_id, Pool.READY, "eva", second_review=True)
    lease = parts.desk.claim("ben")
    parts.desk.decide(decision(lease.flag.flag_id, "ben", lease.epoch, Verdict.VIOLENT))
    page = eva.get(stream_address(ROOM)).text
    tile = page[page.index('class="tile"') : page.index("</li>", page.index('class="tile"'))]
    assert "violent" not in tile
    assert "ben" not in tile


def test_bulk_names_the_count_and_shows_every_picture_before_it_decides(eva, parts, flags):
    page = checked(eva, flags[:2], note="a <b>gym</b>")
    assert "Decide 2 flags: not violent" in page.text
    assert len(blurred_addresses(page.text)) == 2
    assert "a &lt;b&gt;gym&lt;/b&gt;" in page.text
    assert parts.board.counts().decided == 0


def test_each_flag_of_a_bulk_has_a_decision_and_an_audit_entry_of_its_own(
    eva, parts, flags, logged
):
    page = decided(eva, checked(eva, flags), flags)
    assert "3 of 3 recorded" in page.text
    assert parts.board.counts().decided == 3
    assert {event.flag_id for event in parts.history.mine("eva")} == set(flags)
    assert [entry["subject"] for entry in logged("flag.bulk")] == flags


def test_bulk_sent_twice_is_one_decision(eva, parts, flags):
    page = checked(eva, flags)
    decided(eva, page, flags)
    again = decided(eva, page, flags)
    assert "3 of 3 recorded" in again.text
    assert "recorded before" in again.text
    assert parts.board.counts().decided == 3
    assert len(parts.history.mine("eva")) == 3


def test_what_somebody_looks_at_is_left_alone_and_said_so(eva, parts, flags):
    page = checked(eva, flags)
    lease = parts.desk.claim("ben")
    done = decided(eva, page, flags)
    assert "2 of 3 recorded" in done.text
    assert "left alone: somebody looks at it" in done.text
    assert parts.board.record(lease.flag.flag_id).state is FlagState.LEASED


def test_what_was_decided_in_the_meantime_is_left_alone(eva, parts, flags):
    page = checked(eva, flags)
    lease = parts.desk.claim("ben")
    parts.desk.decide(decision(lease.flag.flag_id, "ben", lease.epoch))
    done = decided(eva, page, flags)
    assert "left alone: decided already" in done.text
    assert parts.board.record(lease.flag.flag_id).decided_by == "ben"


def test_flags_of_another_stream_cannot_be_slipped_in(eva, parts, flags):
    page = checked(eva, [*flags, flag(9).flag_id])
    assert page.status_code == 422
    assert "not of this stream" in page.text
    assert parts.board.counts().decided == 0


def test_nothing_chosen_is_refused_with_what_was_typed_kept(eva, flags):
    page = checked(eva, [], note="a gym")
    assert page.status_code == 422
    assert "No flag was chosen" in page.text
    assert "a gym" in page.text


@pytest.mark.parametrize("choice", ["", "unsure", "violent:nonsense", "not_violent:", "x" * 300])
def test_a_verdict_that_bulk_does_not_know_is_refused(eva, parts, flags, choice):
    page = checked(eva, flags, choice=choice)
    assert page.status_code == 422
    assert parts.board.counts().decided == 0


def test_a_note_of_100000_characters_is_refused_and_kept(eva, flags):
    note = "x" * 99_999
    page = checked(eva, flags, note=note)
    assert page.status_code == 422
    assert "100,000" not in page.text
    assert note in page.text
    assert page.text.count(" checked") == 3, "the chosen flags stay chosen"


def test_a_form_of_another_session_decides_nothing(eva, signed, parts, flags):
    page = checked(eva, flags)
    other = signed("sam", Role.SUPERVISOR)
    other.get(stream_address(ROOM))
    assert decided(other, page, flags).status_code == 422
    assert parts.board.counts().decided == 0


def test_a_reviewer_has_no_bulk(signed, parts, flags):
    ana = signed("ana")
    page = ana.get(stream_address(ROOM)).text
    assert 'name="flag_id"' not in page
    assert checked(ana, flags).status_code == 403
    fields = {"stream_id": ROOM, "flag_id": flags, "choice": GAME, "token": "x"}
    assert ana.post("/streams/decide", **fields).status_code == 403
    assert parts.board.counts().decided == 0
