"""Leases of queues: their renewal, their end, and the release of jobs that were held."""
