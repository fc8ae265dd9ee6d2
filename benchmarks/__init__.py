"""What bgjobs costs: ``python -m benchmarks``, ``... claim``, ``... schedules``."""
