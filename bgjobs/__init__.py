"""Background jobs for Trio and AnyIO, over SQLite or PostgreSQL."""
