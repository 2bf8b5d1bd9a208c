"""Experiments whose results stand in the docs: one file each, configuration and seeds included."""
