"""Scheduled jobs: the row of each, its plan and its runs."""
