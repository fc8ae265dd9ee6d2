"""Notifications between processes, and what wakes queues in this one."""
