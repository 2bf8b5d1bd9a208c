"""Benchmarks: commands that call the public API on the path users take, and print what they compare with."""
