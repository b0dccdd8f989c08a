"""A page asks Redis few times: with many at work, waiting for replies is what a page waits for."""

import pytest
from redis import Redis

from tests.workers.console.flags import store_flag, take

VIOLENT = "violent:violence"


@pytest.fixture
def reads(redis_settings):
    """How often the server has read from a connection: once for each round trip."""
    with Redis.from_url(redis_settings.url.get_secret_value()) as client:
        yield lambda: client.info("stats")["total_reads_processed"]


@pytest.fixture
def ana(signed, parts):
    """Somebody at their second flag: connections are open, scripts known, counts read."""
    for number in range(4):
        store_flag(parts, number)
    ana = signed("ana")
    flag_id, form = take(ana)
    ana.post(f"/work/{flag_id}/decide", choice=VIOLENT, **form)
    return ana


def test_a_page_of_a_flag_takes_few_round_trips(ana, reads):
    before = reads()
    assert "data-work=" in ana.get("/work").text
    assert reads() - before <= 6


def test_a_decision_and_the_next_claim_take_few_round_trips(ana, reads):
    flag_id, form = take(ana)
    before = reads()
    assert ana.post(f"/work/{flag_id}/decide", choice=VIOLENT, **form).is_redirect
    assert reads() - before <= 14


def test_policies_saved_a_moment_ago_are_on_the_page(ana, parts):
    old = parts.policies.current()
    shown = old.policies[0].model_copy(update={"title": "Blows and kicks"})
    parts.policies.save([shown, *old.policies[1:]], "eva", old.version)
    assert "Blows and kicks" in ana.get("/work").text
