"""Servers for demo and tests start, answer, survive a crash at their address, and end."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
import redis

from tests.servers import start_tansu
from workers.brokers import RedisServer, TansuBroker, free_port
from workers.errors import Fatal


def answers(address: str) -> bool:
    host, port = address.split(":")
    try:
        socket.create_connection((host, int(port)), 0.5).close()
    except OSError:
        return False
    return True


def test_a_broker_answers_on_loopback_and_ends_with_its_stop(tmp_path: Path):
    server = start_tansu(tmp_path)
    pid = server.pid
    assert server.address.startswith("127.0.0.1:")
    assert answers(server.address)
    server.stop()
    assert not answers(server.address)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_redis_that_is_killed_comes_back_with_its_data_at_the_same_address(tmp_path: Path):
    server = RedisServer(tmp_path)
    server.start()
    address = server.address
    with redis.Redis.from_url(server.url) as client:
        client.set("flag", "1")
    server.kill()
    server.start()
    with redis.Redis.from_url(server.url) as client:
        assert client.get("flag") == b"1"
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    assert server.address == address
    server.stop()


def test_a_server_that_cannot_start_says_why(tmp_path: Path):
    server = RedisServer(tmp_path, None, "--no-such-setting", "1")
    with pytest.raises(Fatal, match="redis-server did not start"):
        server.start()


def test_two_servers_made_before_either_starts_get_ports_of_their_own(tmp_path: Path):
    servers = [TansuBroker(tmp_path / str(number)) for number in range(20)]
    assert len({server.port for server in servers}) > 15


def test_ports_lie_below_those_that_the_system_gives_to_clients():
    assert all(20_000 <= free_port() < 32_000 for _ in range(50))
