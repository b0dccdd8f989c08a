"""The demo: brokers, streams, one worker, the review console and a live view in one command."""
