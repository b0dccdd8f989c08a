"""The demo: brokers, simulated streams, one worker and a live view in one command."""
