"""A run to watch while it goes on: an instrument that writes numbers, and a process of its own that serves a page."""
