"""What `digest.py` needs beside bgjobs: two tables, the files, a progress bar, the check."""

import os
import sqlite3
import stat
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from attrs import frozen
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

import bgjobs
from bgjobs.events import JobFailed, JobSucceeded

LEFT_OUT = {"__pycache__", "site-packages"}

RUN_TABLE = """
create table if not exists digest.digest_run (id integer primary key, path text not null)"""
RESULTS_TABLE = """
create table if not exists digest.digests (
    path text not null, lines bigint not null, bytes bigint not null, sha256 text)"""


class Digest(NamedTuple):
    """One row of the results; a file that could not be read has no hash."""

    path: str
    lines: int
    bytes: int
    sha256: str | None


@frozen
class Database:
    """Where the jobs and their results are: in one database, so that one transaction can."""

    name: str
    store: bgjobs.Store
    connect: Callable[[], Any]  # gives a sqlite3.Connection or a psycopg.Connection, hence Any
    to_start_anew: str
    files: frozenset[Path] = frozenset()


def on_sqlite(path: Path) -> Database:
    """Keep everything in one file."""
    return Database(
        name=str(path),
        store=bgjobs.SQLiteStore(path),
        connect=partial(sqlite3.connect, path, timeout=10),
        to_start_anew="delete it, or name another file with --database",
        files=files_of(path.resolve()),
    )


def files_of(path: Path) -> frozenset[Path]:
    """Return the files that belong to an SQLite database, with the lock of bgjobs beside it."""
    lock = path.with_name(f".{path.name}.lock")
    return frozenset([lock, *(Path(f"{path}{end}") for end in ("", "-wal", "-shm"))])


def on_postgres(dsn: str) -> Database:
    """Keep everything in the schema `digest`."""
    import psycopg  # noqa: PLC0415 - an extra of bgjobs, needed here only

    return Database(
        name="schema digest",
        store=bgjobs.PostgresStore(dsn, schema="digest"),
        connect=partial(psycopg.connect, dsn),
        to_start_anew="drop it (drop schema digest cascade), or use another database",
    )


def execute(connection: Any, statement: str, *values: object) -> Any:
    """Run a statement on either database: SQLite has no schemas, psycopg writes ? as %s."""
    if isinstance(connection, sqlite3.Connection):
        return connection.execute(statement.replace("digest.", ""), values)
    return connection.execute(statement.replace("?", "%s"), values)


def insert(connection: Any, row: Digest) -> None:
    """Write one result. Nothing in the table would refuse a second one."""
    execute(connection, "insert into digest.digests values (?, ?, ?, ?)", *row)


def results(database: Database) -> list[Digest]:
    """Return the rows that the jobs have written."""
    with closing(database.connect()) as connection:
        found = execute(connection, "select path, lines, bytes, sha256 from digest.digests")
        return [Digest(*row) for row in found]


def walk(root: Path, database: Database) -> Iterator[tuple[str, int]]:
    """Return the files under `root` with their sizes; names that are not text are left out."""
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in LEFT_OUT]
        for path in (Path(folder, name) for name in names):
            try:
                found = path.stat()
                str(path).encode()
            except (OSError, UnicodeEncodeError):
                continue
            if stat.S_ISREG(found.st_mode) and path not in database.files:
                yield str(path), found.st_size


class Meter:
    """Shows how many jobs have ended: a bar on a terminal, else ten lines."""

    def __init__(self, done: int, left: int) -> None:
        self._done, self._total = done, done + left
        console = Console()
        self._plain = not console.is_terminal
        columns = TextColumn("digesting"), BarColumn(), MofNCompleteColumn()
        self.progress = Progress(*columns, console=console, disable=self._plain)
        self._bar = self.progress.add_task("", total=self._total, completed=done)

    def listen(self, event: bgjobs.Event) -> None:
        """Advance the progress bar; each job is one step."""
        if not isinstance(event, JobSucceeded | JobFailed):
            return
        self._done += 1
        self.progress.update(self._bar, completed=self._done)
        tenths = self._done * 10 // self._total
        if self._plain and tenths > (self._done - 1) * 10 // self._total:
            print(f"digested {self._done:,} of {self._total:,} files", flush=True)


def check(database: Database, root: Path) -> str:
    """Print the sums, compare them with what is on the disk, and give the verdict."""
    rows = results(database)
    times = Counter(row.path for row in rows)
    unread = {row.path for row in rows if row.sha256 is None}
    size = sum(row.bytes for row in rows)
    on_disk = dict(walk(root, database))
    expected = sum(size for path, size in on_disk.items() if path not in unread)
    print(f"files  {len(rows):>15,}")
    print(f"lines  {sum(row.lines for row in rows):>15,}")
    print(f"bytes  {size:>15,}")
    if unread:
        print(f"unread {len(unread):>15,} of the files: gone or not readable, taken as empty")
    findings = {
        "rows too many": len(rows) - len(times),
        "files on disk without a row": len(on_disk.keys() - times.keys()),
        "rows without a file on disk": len(times.keys() - on_disk.keys() - unread),
        f"bytes of difference to the {expected:,} on disk": abs(size - expected),
    }
    problems = [f"{number:,} {what}" for what, number in findings.items() if number]
    if problems:
        return f"FAILED: {', '.join(problems)}"
    return f"OK: {len(rows):,} files, each exactly once, {size:,} bytes"
