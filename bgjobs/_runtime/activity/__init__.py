"""What the queues of a process did, counted here and written to the store."""
