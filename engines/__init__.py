"""Compiled classifiers: bundles, the engine contract and one module per backend."""
