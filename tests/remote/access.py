"""The token of the servers of these tests."""

TOKEN = "the token of tests"
