"""Probes tell the truth: a loop that stands still is not alive, a part in trouble not ready."""

import json
import urllib.error
import urllib.request

import pytest

from workers.moderation.accounting import FrameAccount, Outcome
from workers.telemetry import FrameAccountCollector, Health, HealthServer, Metrics


@pytest.fixture
def health():
    return Health(("work",))


@pytest.fixture
def account():
    return FrameAccount()


@pytest.fixture
def server(health, account):
    metrics = Metrics()
    metrics.registry.register(FrameAccountCollector(account.outcomes, lambda: account.arrived))
    made = HealthServer("127.0.0.1", 0, metrics, health)
    made.start()
    yield made
    made.close()


def get(server: HealthServer, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=5) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_a_worker_that_starts_is_alive_and_not_ready(server):
    assert get(server, "/livez")[0] == 200
    assert get(server, "/readyz")[0] == 503


def test_readiness_names_every_reason_and_comes_back(server, health):
    health.obstruct("start", None)
    health.obstruct("redis", "connection refused")
    status, body = get(server, "/readyz")
    assert (status, json.loads(body)["reasons"]) == (503, {"redis": "connection refused"})
    health.obstruct("redis", None)
    assert get(server, "/readyz")[0] == 200


def test_a_loop_without_a_heartbeat_is_stuck(server, health, monkeypatch):
    monkeypatch.setattr("workers.telemetry.HEARTBEAT_LIMIT_S", -1.0)
    assert get(server, "/livez") == (503, '{"ok": false, "reasons": {"work": "stuck"}}\n')


def test_metrics_show_the_frame_account_with_every_outcome(server, account):
    account.arrive(5)
    account.settle({Outcome.SCORED: 3, Outcome.THINNED: 1})
    _, text = get(server, "/metrics")
    assert 'flagpost_frames_total{outcome="scored"} 3.0' in text
    assert 'flagpost_frames_total{outcome="dead_lettered"} 0.0' in text
    assert "flagpost_frames_open 1.0" in text


def test_other_addresses_are_not_there(server):
    assert get(server, "/secrets")[0] == 404
