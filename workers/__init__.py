"""Processes that run Flagpost: ingest, moderation, review queue, simulator, demo."""
