"""The moderation worker: consume, decode, batch, infer, decide, publish, commit."""
