"""Scheduled jobs: the row of each, what is planned next, and its runs."""
