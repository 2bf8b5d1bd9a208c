"""Inter-process communication: shared memory, semaphores and the life cycle of child processes."""
