"""Other tools work the queue by the same rights and fences as people."""

from datetime import UTC, datetime

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.core.result import Ok

from tests.workers.console.flags import enqueue
from tests.workers.review.flags import flag
from workers.console.application import OPENAPI, create_app
from workers.console.people import Role

EXPECTED = {200, 204, 400, 403, 404, 405, 406, 409, 415, 422, 429}
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
SINCE = datetime(2020, 1, 1, tzinfo=UTC).isoformat()


class Program:
    """A client with a bearer token; no cookies, no form tokens."""

    def __init__(self, http, token: str) -> None:
        self.http = http
        self.headers = {"Authorization": f"Bearer {token}"}

    def get(self, path: str, **params):
        return self.http.get(f"/api/v1{path}", params=params, headers=self.headers)

    def post(self, path: str, **body):
        return self.http.post(f"/api/v1{path}", json=body, headers=self.headers)


@pytest.fixture
def program(client, parts):
    """`program("bot", Role.REVIEWER)`"""
    return lambda name, *roles: Program(client.http, parts.tokens.add(name, roles))


def verdict(epoch: int, **changes):
    said = {"epoch": epoch, "request_id": "r1", "verdict": "violent", "policy": "violence"}
    return said | changes


def test_a_program_claims_and_decides(program, parts):
    enqueue(parts, flag(1))
    bot = program("bot", Role.REVIEWER)
    claimed = bot.post("/claims").json()
    flag_id = claimed["flag"]["flag_id"]
    assert bot.get("/claims/mine").json() == claimed
    said = verdict(claimed["epoch"])
    assert bot.post(f"/flags/{flag_id}/decision", **said).json() == {"answer": "ok"}
    assert bot.post(f"/flags/{flag_id}/decision", **said).json() == {"answer": "replay"}
    assert bot.get(f"/flags/{flag_id}").json()["verdict"] == "violent"


def test_an_empty_queue_has_no_content(program):
    bot = program("bot", Role.REVIEWER)
    assert bot.post("/claims").status_code == 204
    assert bot.get("/claims/mine").status_code == 204


def test_a_late_decision_is_a_conflict_with_the_queues_word(program, parts):
    enqueue(parts, flag(1))
    bot, other = program("bot", Role.REVIEWER), program("other", Role.REVIEWER)
    claimed = bot.post("/claims").json()
    flag_id = claimed["flag"]["flag_id"]
    parts.desk.release_all("bot")
    other.post("/claims")
    late = bot.post(f"/flags/{flag_id}/decision", **verdict(claimed["epoch"]))
    assert (late.status_code, late.json()["answer"]) == (409, "stale")
    assert "other has the flag now" in late.json()["detail"]
    assert late.headers["content-type"] == "application/problem+json"


def test_a_lease_is_extended_skipped_and_given_back(program, parts):
    enqueue(parts, flag(1), flag(2))
    bot = program("bot", Role.REVIEWER)
    claimed = bot.post("/claims").json()
    path, held = f"/flags/{claimed['flag']['flag_id']}", {"epoch": claimed["epoch"]}
    assert bot.post(f"{path}/renew", **held).json()["ends_at"] >= claimed["ends_at"]
    assert bot.post(f"{path}/skip", **held).json() == {"answer": "ok"}
    assert bot.post(f"{path}/release", **held).status_code == 409


def test_an_own_verdict_is_taken_back(program, parts):
    enqueue(parts, flag(1))
    bot = program("bot", Role.REVIEWER)
    claimed = bot.post("/claims").json()
    flag_id = claimed["flag"]["flag_id"]
    bot.post(f"/flags/{flag_id}/decision", **verdict(claimed["epoch"]))
    assert bot.post(f"/flags/{flag_id}/undo").json()["epoch"] == claimed["epoch"] + 1


def test_only_policies_in_force_are_verdicts(program, parts):
    enqueue(parts, flag(1))
    bot = program("bot", Role.REVIEWER)
    claimed = bot.post("/claims").json()
    path = f"/flags/{claimed['flag']['flag_id']}/decision"
    refused = bot.post(path, **verdict(claimed["epoch"], policy="V99"))
    assert (refused.status_code, "V99 is not in force" in refused.text) == (422, True)
    codes = {policy["code"] for policy in bot.get("/policies").json()["policies"]}
    assert "violence" in codes


def test_first_verdicts_are_told_to_nobody_before_the_flag_is_decided(program, parts):
    enqueue(parts, flag(1))
    bot, other = program("bot", Role.REVIEWER), program("other", Role.SUPERVISOR)
    parts.desk.move(flag(1).flag_id, "ready", "sue", second_review=True)
    claimed = bot.post("/claims").json()
    path = f"/flags/{claimed['flag']['flag_id']}"
    assert bot.post(f"{path}/decision", **verdict(claimed["epoch"])).json()["answer"] == "second"
    assert other.get(path).json()["verdict"] is None
    assert other.get("/decisions", since=SINCE).json()["events"] == []
    second = other.post("/claims").json()
    other.post(f"{path}/decision", **verdict(second["epoch"]))
    told = other.get("/decisions", since=SINCE).json()["events"]
    assert [event["reviewer"] for event in told] == ["bot", "other"]


def test_decisions_come_page_by_page(program, parts):
    enqueue(parts, *(flag(number) for number in range(5)))
    bot = program("bot", Role.SUPERVISOR)
    for number in range(5):
        claimed = bot.post("/claims").json()
        said = verdict(claimed["epoch"], request_id=f"r{number}")
        bot.post(f"/flags/{claimed['flag']['flag_id']}/decision", **said)
    pages = [bot.get("/decisions", since=SINCE, limit=2).json()]
    while after := pages[-1]["next_after"]:
        pages.append(bot.get("/decisions", since=SINCE, limit=2, after=after).json())
    entries = [event["entry"] for page in pages for event in page["events"]]
    assert len(entries) == len(set(entries)) == 5


def test_a_reviewer_does_not_read_what_others_decided(signed):
    ana = signed("ana", Role.REVIEWER)
    assert ana.get("/api/v1/decisions", params={"since": SINCE}).status_code == 403


def test_a_service_counts_and_reads_but_reviews_nothing(program):
    service = program("exporter")
    assert service.get("/counts").json()["ready"] == 0
    assert service.get("/decisions", since=SINCE).status_code == 200
    assert service.post("/claims").status_code == 403


def test_a_browsers_session_needs_its_token_to_change_anything(signed, parts):
    enqueue(parts, flag(1))
    ana = signed("ana")
    assert ana.http.post("/api/v1/claims").status_code == 403
    assert ana.post_json("/api/v1/claims", {}).status_code == 200


@pytest.mark.parametrize("token", ["", "nonsense", "flagpost_" + "x" * 43])
def test_an_unknown_token_opens_nothing(client, token):
    answer = client.http.get("/api/v1/counts", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["title"]) == (401, "Not signed in")


HOST = {"Host": "console.test"}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_no_request_that_fits_or_does_not_fit_the_schema_breaks_the_api(parts):
    enqueue(parts, *(flag(number) for number in range(20)))
    token = parts.tokens.add("fuzzer", [Role.REVIEWER, Role.SENIOR])
    schema = schemathesis.openapi.from_asgi(OPENAPI, create_app(parts), headers=HOST)
    headers = HOST | {"Authorization": f"Bearer {token}"}
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    answered = {operation.label: fuzz(operation, headers) for operation in operations}
    assert len(answered) == 11
    assert all(statuses <= EXPECTED for statuses in answered.values()), answered


def fuzz(operation, headers: dict[str, str]) -> set[int]:
    """Sends what fits the schema and what does not; the statuses that came back."""
    seen: set[int] = set()

    @given(case=st.one_of(*(operation.as_strategy(generation_mode=mode) for mode in MODES)))
    @settings(
        max_examples=60,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
    )
    def check(case) -> None:
        seen.add(case.call(headers=headers).status_code)

    check()
    return seen
