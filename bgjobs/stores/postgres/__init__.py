"""The store for PostgreSQL, with psycopg 3 and psycopg_pool.

Importing this needs ``pip install 'bgjobs[postgres]'``; importing `bgjobs` does not.
"""

try:
    import psycopg
    import psycopg_pool
except ImportError as _missing:
    raise ImportError(
        "PostgresStore needs psycopg and psycopg_pool: pip install 'bgjobs[postgres]'"
    ) from _missing

from bgjobs.stores.postgres.store import PostgresStore

__all__ = ["PostgresStore"]

del psycopg, psycopg_pool
