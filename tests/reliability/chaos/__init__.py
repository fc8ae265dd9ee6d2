"""Chaos runs: many processes on one database, and faults injected at random times."""
