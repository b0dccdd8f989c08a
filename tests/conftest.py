"""Fixtures that every test folder may use."""

from tests.chromium import chromium
from tests.servers import broker, redis_server, redis_settings, tansu

# One browser for all tests: a fixture imported by each folder would start one for each.
__all__ = ["broker", "chromium", "redis_server", "redis_settings", "tansu"]
