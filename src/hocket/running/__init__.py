"""`hocket.run`: checks a run, drives it, returns its result."""
