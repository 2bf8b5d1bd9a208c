"""Interfaces through which a run reports itself: the record, listeners and instruments."""
