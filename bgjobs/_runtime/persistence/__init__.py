"""Calls to the store: threads, group commit and what both share."""
