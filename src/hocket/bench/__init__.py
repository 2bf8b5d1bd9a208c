"""Benchmarks: commands that measure the public API as users call it, beside a reference."""
