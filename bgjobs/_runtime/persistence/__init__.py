"""Calls to the store: worker threads, group commit, and the handling of failed calls."""
