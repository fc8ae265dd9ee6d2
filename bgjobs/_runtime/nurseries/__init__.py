"""Job nurseries: blocks that end after the jobs that were started in them."""
