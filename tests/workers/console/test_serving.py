"""`flagpost console` as a process: from settings only, until it is told to end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest

from tests.servers import wait_until
from tests.workers.operations.commands import run
from workers.brokers import free_port
from workers.console.audit import verify
from workers.console.people import Role
from workers.console.serving import check, listening
from workers.console.state import ConsoleState
from workers.errors import ConfigurationRejected
from workers.settings import ConsoleSettings


@pytest.fixture
def environment(tmp_path, redis_settings) -> dict[str, str]:
    return {
        "FLAGPOST_CONSOLE_STATE": str(tmp_path / "state"),
        "FLAGPOST_CONSOLE_PORT": str(free_port()),
        "FLAGPOST_REDIS_URL": redis_settings.url.get_secret_value(),
        "FLAGPOST_EVIDENCE_URL": str(tmp_path / "evidence"),
    }


@pytest.fixture
def console(environment, tmp_path) -> Iterator[subprocess.Popen[str]]:
    """The process, once it told its address."""
    with open(tmp_path / "log", "w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "workers.cli", "console", "--json"],
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    yield process
    process.kill()
    process.wait()
    assert process.stdout
    process.stdout.close()


def address_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return str(json.loads(process.stdout.readline())["console"])


def test_it_tells_its_address_and_a_link_made_beside_it_signs_in(console, environment):
    address = address_of(console)
    assert address == f"http://127.0.0.1:{environment['FLAGPOST_CONSOLE_PORT']}"
    made = run("console", "link", "--name", "ana", "--role", "senior", **environment).text.strip()
    assert made.startswith(address + "/in/")
    with httpx2.Client(base_url=address) as browser:
        page = browser.get(made).text
        csrf = page.split('name="csrf" value="')[1].split('"')[0]
        token = made.split("/in/")[1]
        answer = browser.post("/signin/link", data={"csrf": csrf, "token": token})
        assert answer.status_code == 303
        cookie = answer.headers["set-cookie"]
        assert "flagpost-session=" in cookie
        assert "HttpOnly" in cookie
    people = run("console", "people", "list", "--json", **environment).text
    assert json.loads(people) == [{"name": "ana", "roles": ["senior"], "sessions": 1}]


def test_a_link_leads_to_where_the_console_runs_not_where_its_settings_say(console, environment):
    address = address_of(console)
    elsewhere = environment | {"FLAGPOST_CONSOLE_PORT": "1"}
    assert run("console", "link", "--name", "ana", **elsewhere).text.startswith(address)


def test_it_ends_in_order_on_sigterm(console, environment, tmp_path):
    httpx2.get(address_of(console) + "/signin")
    console.send_signal(signal.SIGTERM)
    assert console.wait(10) == 0
    state = ConsoleState(Path(environment["FLAGPOST_CONSOLE_STATE"]))
    assert verify(state.audit)[0] >= 1
    assert not state.address.exists(), "links made now would lead nowhere"
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_requests_with_their_tokens_are_not_in_its_log(console, environment, tmp_path):
    httpx2.get(address_of(console) + "/in/very-secret-token")
    console.send_signal(signal.SIGTERM)
    console.wait(10)
    assert "very-secret-token" not in (tmp_path / "log").read_text()


def test_a_taken_port_is_told_in_one_line(console, environment):
    address_of(console)
    with pytest.raises(ConfigurationRejected, match="choose another with --port"):
        run("console", **environment)


def test_revoking_ends_sessions_from_the_command_line(environment):
    run("console", "link", "--name", "ana", **environment)
    assert run("console", "revoke", "ana", **environment).text == "ana: 0 sessions ended\n"


def test_people_and_tokens_are_kept_from_the_command_line(environment):
    run("console", "people", "add", "--name", "ana", "--role", "reviewer", "--no-password",
        **environment)  # fmt: skip
    run("console", "people", "set-roles", "ana", "--role", "senior", **environment)
    listed = json.loads(run("console", "people", "list", "--json", **environment).text)
    assert listed[0]["roles"] == ["senior"]
    token = run("console", "token", "add", "--name", "exporter", **environment).text.strip()
    assert token.startswith("flagpost_")
    assert run("console", "token", "list", **environment).text == "exporter: service\n"
    run("console", "token", "remove", "exporter", **environment)
    run("console", "people", "remove", "ana", **environment)
    assert run("audit", "show", "--action", "people", "--json", **environment).lines()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"host": "0.0.0.0"}, "CONSOLE_HOST"),
        ({"host": "0.0.0.0", "public_url": "http://review.test"}, "CONSOLE_HOST"),
        ({"sign_in": "proxy"}, "PROXY_PEERS"),
        ({"sign_in": "proxy", "proxy_peers": ("cat",)}, "PROXY_PEERS"),
        ({"sign_in": "oidc", "oidc_issuer": "https://id.test"}, "OIDC_CLIENT_ID"),
    ],
)
def test_settings_that_leave_a_door_open_stop_the_start(changes, named):
    with pytest.raises(ConfigurationRejected, match=named):
        check(ConsoleSettings(**changes))


def test_the_secret_is_made_once_for_its_owner_only(tmp_path):
    state = ConsoleState(tmp_path / "state")
    first = state.secret()
    assert len(first) == 32
    assert ConsoleState(tmp_path / "state").secret() == first
    assert (tmp_path / "state" / "secret").stat().st_mode & 0o077 == 0


def test_a_cut_secret_stops_the_start(tmp_path):
    (tmp_path / "secret").write_bytes(b"short")
    with pytest.raises(ConfigurationRejected, match="5 bytes, expected 32"):
        ConsoleState(tmp_path).secret()


def test_a_second_process_that_starts_at_once_shares_the_secret(tmp_path):
    code = (
        "import sys; from pathlib import Path; from workers.console.state import ConsoleState;"
        "print(ConsoleState(Path(sys.argv[1])).secret().hex())"
    )
    starts = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "s")], stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    assert len({started.communicate()[0] for started in starts}) == 1


def test_a_link_is_good_for_another_try_after_redis_was_away(client, parts, redis_server):
    token = parts.links.make("ana", [Role.REVIEWER], timedelta(minutes=1))
    client.get(f"/in/{token}")
    redis_server.freeze()
    try:
        assert token in client.post("/signin/link", token=token).text
    finally:
        redis_server.thaw()
    wait_until(lambda: parts.links.is_open(token))
    assert client.post("/signin/link", token=token).status_code == 303


def test_redis_that_is_away_is_said_and_what_was_typed_is_kept(app, signed, redis_server):
    ana = signed("ana")
    redis_server.freeze()
    try:
        answer = ana.post("/probe", note="half a <thought>")
    finally:
        redis_server.thaw()
    assert answer.status_code == 503
    assert "The queue does not answer" in answer.text
    assert "half a &lt;thought&gt;" in answer.text
    wait_until(lambda: ana.get("/probe").status_code == 200)


def test_answers_do_not_wait_for_the_browser_to_acknowledge_their_headers():
    with (
        listening("127.0.0.1", 0) as listener,
        socket.create_connection(listener.getsockname()),
    ):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_several_processes_answer_as_one_and_end_together(environment, tmp_path):
    with open(tmp_path / "log", "w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "workers.cli", "console", "--workers", "2", "--json"],
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    with process:
        address = address_of(process)
        made = run("console", "link", "--name", "ana", **environment).text.strip()
        token = made.split("/in/")[1]
        with httpx2.Client(base_url=address) as browser:
            csrf = browser.get(made).text.split('name="csrf" value="')[1].split('"')[0]
            browser.post("/signin/link", data={"csrf": csrf, "token": token})
            cookies = dict(browser.cookies)
        pages = [httpx2.get(address + "/work", cookies=cookies) for _ in range(12)]
        assert {page.status_code for page in pages} == {200}
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(address)
    assert verify(ConsoleState(Path(environment["FLAGPOST_CONSOLE_STATE"])).audit)[0] >= 2
    assert "Traceback" not in (tmp_path / "log").read_text()
