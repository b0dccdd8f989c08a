"""Cuts encoded live streams into segments and publishes them."""
