"""The live page: an instrument that writes a run's numbers, and a server process that shows them while it runs."""
