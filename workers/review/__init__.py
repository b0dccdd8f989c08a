"""The review queue in Redis: scripts, typed client, recovery."""
