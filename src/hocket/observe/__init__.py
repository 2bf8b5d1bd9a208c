"""What people see of a run: metrics, files, figures, progress. Reads run records, never drivers."""
