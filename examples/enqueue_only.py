"""A plain program without an event loop that only enqueues; another process runs the jobs.

    python examples/enqueue_only.py cat.jpg dog.jpg

The jobs are stored in the transaction that stores the pictures. The process that runs them has
`make_thumbnail` in a queue over the same file.
"""

import sqlite3
import sys
from contextlib import closing

import bgjobs

DATABASE = "pictures.db"

store = bgjobs.SQLiteStore(DATABASE)


@bgjobs.worker
def make_thumbnail(path: str, *, width: int = 200) -> None:
    print(f"thumbnail of {path}, {width} pixels wide")


def prepare() -> None:
    """Make the tables, as a deployment does once."""
    store.open()
    try:
        store.migrate()
    finally:
        store.close()
    with closing(sqlite3.connect(DATABASE)) as connection:
        connection.execute("create table if not exists pictures (path text primary key)")


def add(paths: list[str]) -> None:
    """Store pictures, each with its job, or nothing at all."""
    with closing(sqlite3.connect(DATABASE)) as connection, connection:
        connection.executemany("insert into pictures values (?)", [[path] for path in paths])
        requests = [make_thumbnail.request(path).unique(path) for path in paths]
        for job in store.enqueue_in(connection, requests):
            print(f"{job.unique_key}: job {job.id}")


if __name__ == "__main__":
    prepare()
    add(sys.argv[1:])
