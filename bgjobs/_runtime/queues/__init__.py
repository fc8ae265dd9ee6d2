"""Queues: they reserve jobs, run their handlers and write how the runs ended."""
