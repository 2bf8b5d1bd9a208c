"""After a run: metrics, summaries, run folders, reports and traces. Reads run records, never drivers."""
