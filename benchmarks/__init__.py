"""What bgjobs costs: ``python -m benchmarks`` and ``python -m benchmarks claim``."""
