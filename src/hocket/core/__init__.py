"""The pure scheduling core: events in, commands out.

It knows no clock, no randomness, no numpy and no logging; it holds the ids of observations and actions, never
their values. Time is an integer of nanoseconds that comes in with every event, so the same code
drives a virtual run, a realtime run and the replay of either.
"""
