"""Many processes on one database, for longer than a test may take: `python -m tests.reliability.chaos`."""
