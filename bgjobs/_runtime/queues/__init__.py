"""Queues: reserve jobs, run their handlers and write how they ended."""
