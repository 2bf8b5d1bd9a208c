"""Checkpoints of a training: written whole or not at all, refused by name if they do not belong."""
