"""Replay: from ticks to transitions to batches."""
