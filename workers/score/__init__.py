"""Scores files with the decode, engine and decision rule of the worker, without brokers."""
