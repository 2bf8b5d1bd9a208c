"""Inter-process communication: shared memory, and the lives of child processes."""
