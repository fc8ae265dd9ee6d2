"""The store over one SQLite file, or over memory."""

from bgjobs.stores.sqlite.store import SQLiteStore

__all__ = ["SQLiteStore"]
