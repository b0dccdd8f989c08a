"""Fixtures that every test folder may use."""

from tests.servers import broker, redis_server, redis_settings, tansu

__all__ = ["broker", "redis_server", "redis_settings", "tansu"]
