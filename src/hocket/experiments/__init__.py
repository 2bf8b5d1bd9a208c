"""Experiments whose results are in the docs: one file each, with configuration and seeds."""
