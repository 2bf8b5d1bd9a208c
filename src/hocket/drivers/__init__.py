"""The two drivers of the one core: virtual time, and the wall clock."""
