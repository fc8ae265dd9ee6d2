"""Notifications: between processes, and from one part of this process to another."""
