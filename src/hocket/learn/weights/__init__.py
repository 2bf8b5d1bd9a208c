"""Weights in shared memory, published by version."""
