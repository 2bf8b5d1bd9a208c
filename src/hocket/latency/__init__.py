"""Latency models: how long an inference takes in virtual time."""
