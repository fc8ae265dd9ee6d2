"""A PostgreSQL server that faults can stop and crash, and a check of its tables and indexes.

``python -m tests.reliability.chaos.postgres.server FOLDER`` is its guard, a process that stops
the server if the process that started it was killed.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any, Literal, final

import psycopg
from attrs import frozen

from tests.fixtures.postgres import new_server

_Connection = psycopg.Connection[Any]

_AMCHECK = "select 1 from pg_available_extensions where name = 'amcheck'"
_INDEXES = """
    select i.indexrelid, i.indexrelid::regclass::text, i.indrelid, i.indrelid::regclass::text,
        coalesce(pg_get_expr(i.indpred, i.indrelid), 'true')
    from pg_index i
    join pg_class c on c.oid = i.indexrelid
    join pg_namespace n on n.oid = c.relnamespace
    join pg_am a on a.oid = c.relam
    where a.amname = 'btree' and c.relpersistence = 'p'
    and n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema'
    order by 2
"""
_TABLES = """
    select c.oid::regclass::text
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind = 'r' and c.relpersistence = 'p'
    and n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema'
"""
_BY_SCAN = {"heap": ("on", "off"), "index": ("off", "on")}


@final
@frozen
class _Index:
    oid: int
    name: str
    table_oid: int
    table: str
    predicate: str


def damage(dsn: str) -> list[str]:
    """Return what is corrupt in the tables and indexes of a database.

    The extension amcheck finds it, if the server has it. Without it, every table is read, and
    its rows are counted through each of its indexes: this finds a missing or an additional
    entry, but not a wrong order within an index.
    """
    with psycopg.connect(dsn) as connection:
        if connection.execute(_AMCHECK).fetchone():
            return list(_amcheck_damage(connection))
        return list(_counting_damage(connection))


def _amcheck_damage(connection: _Connection) -> Iterator[str]:
    connection.execute("create extension if not exists amcheck")
    for index in _indexes(connection):
        try:
            with connection.transaction():
                connection.execute("select bt_index_parent_check(%s, true)", [index.oid])
        except psycopg.Error as error:
            yield f"{index.name}: {error}"
    for (table,) in connection.execute(_TABLES).fetchall():
        found = connection.execute("select * from verify_heapam(%s)", [table])
        yield from (f"{table}: {row}" for row in found)


def _counting_damage(connection: _Connection) -> Iterator[str]:
    for (table,) in connection.execute(_TABLES).fetchall():
        try:
            with connection.transaction():
                connection.execute(f"select sum(length(t::text)) from {table} t".encode())
        except psycopg.Error as error:
            yield f"{table}: {error}"
    for index in _indexes(connection):
        try:
            rows, entries = (
                _count(connection, index, "heap"),
                _count(connection, index, "index"),
            )
        except psycopg.Error as error:
            yield f"{index.name}: {error}"
            continue
        if rows != entries:
            yield f"{index.name}: {entries} entries for {rows} rows of {index.table}"


def _indexes(connection: _Connection) -> list[_Index]:
    return [_Index(*row) for row in connection.execute(_INDEXES).fetchall()]


def _count(connection: _Connection, index: _Index, by: str) -> int:
    """Count the rows that belong to an index, by a scan of its table or of this index."""
    with connection.transaction(force_rollback=True):
        connection.execute(
            "update pg_index set indisvalid = indexrelid = %s where indrelid = %s",
            [index.oid, index.table_oid],
        )
        through_table, through_index = _BY_SCAN[by]
        connection.execute(f"set local enable_seqscan = {through_table}".encode())
        for way in ("indexscan", "indexonlyscan"):
            connection.execute(f"set local enable_{way} = {through_index}".encode())
        connection.execute("set local enable_bitmapscan = off")
        query = f"select count(*) from {index.table} where {index.predicate}"
        plan = connection.execute(f"explain {query}".encode()).fetchall()
        assert (by == "index") == any(index.name.split(".")[-1] in row[0] for row in plan), plan
        [[count]] = connection.execute(query.encode()).fetchall()
    return int(count)


_PATIENCE = 60.0
"""Seconds within which the server has to start or stop."""
_CONNECTIONS = 300
_SETTINGS = (
    "listen_addresses = ''",
    "fsync = off",  # the machine does not crash, and written data outlive the processes
    f"max_connections = {_CONNECTIONS}",
)
"""Commits stay synchronous, since acknowledged ones have to outlive an immediate stop."""

How = Literal["smart", "fast", "immediate"]


@final
class PostgresServer:
    """A server on a Unix socket, which runs from its construction to `stop`."""

    def __init__(self, folder: Path) -> None:
        self._data = folder / "data"
        self.dsn = new_server(self._data, cleanup_mode=None).get_uri()
        self.socket = "{}/.s.PGSQL.{}".format(*self._started_with())
        """The path of its Unix socket."""
        # The process of the server shows the folder of its programs, and its user.
        self._programs = Path(f"/proc/{self.pid}/exe").resolve().parent
        self._owner = self._data.stat()
        self._configure()

    @property
    def pid(self) -> int:
        """The number of the main process."""
        return _pid(self._data)

    @property
    def running(self) -> bool:
        """Whether the server runs."""
        return _pid_file(self._data).exists()

    def stop(self, how: How = "fast") -> None:
        """Stop the server; "immediate" is a crash, after which it has to recover."""
        self._control("stop", "-m", how)

    def start(self) -> None:
        """Start the server again, and wait until it accepts connections."""
        self._control("start", "-l", str(self._data / "log"))

    def restart_immediately(self) -> None:
        """Crash the server, and restart it."""
        self._control("restart", "-m", "immediate", "-l", str(self._data / "log"))

    def terminate_backends(
        self, random: Random, *, like: str = "%", most: int | None = None
    ) -> int:
        """End the sessions of 1 to `most` clients, and return how many.

        `like` is a pattern of their application names.
        """
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            found = connection.execute(_CLIENTS, {"like": like}).fetchall()
            count = min(len(found), random.randint(1, most or max(1, len(found))))
            for (pid,) in random.sample(found, count):
                connection.execute("select pg_terminate_backend(%s)", [pid])
        return count

    def check(self) -> Sequence[str]:
        """Return everything that is corrupt in tables, indexes and checksums.

        The server is stopped meanwhile, as checksums can be verified only then.
        """
        found = damage(self.dsn)
        self.stop()
        try:
            self._run("pg_checksums", "--check")
        except subprocess.CalledProcessError as error:
            found.append(f"pg_checksums: {error.stderr}")
        self.start()
        return found

    def _started_with(self) -> tuple[str, str]:
        lines = _pid_file(self._data).read_text().splitlines()
        return lines[4], lines[3]

    def _configure(self) -> None:
        # The options of the first start are lost when the server is started again.
        folder, _ = self._started_with()
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            for setting in (*_SETTINGS, f"unix_socket_directories = '{folder}'"):
                connection.execute(f"alter system set {setting}".encode())
        self._control("restart", "-m", "fast", "-l", str(self._data / "log"))

    def _control(self, *arguments: str) -> None:
        self._run("pg_ctl", "--wait", "--silent", *arguments)

    def _run(self, program: str, *arguments: str) -> None:
        as_root = os.geteuid() == 0
        subprocess.run(
            [str(self._programs / program), "-D", str(self._data), *arguments],
            check=True,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            cwd=self._data.parent,
            user=self._owner.st_uid if as_root else None,
            group=self._owner.st_gid if as_root else None,
        )


_CLIENTS = """
    select pid from pg_stat_activity
    where backend_type = 'client backend' and pid <> pg_backend_pid()
    and application_name like %(like)s order by pid
"""


def _pid_file(data: Path) -> Path:
    """Return the path of the file that exists while the server runs, with its options."""
    return data / "postmaster.pid"


def _pid(data: Path) -> int:
    return int(_pid_file(data).read_text().splitlines()[0])


@contextmanager
def running_server() -> Generator[PostgresServer]:
    """Run a server in a temporary folder, and remove both, even if this process is killed."""
    with tempfile.TemporaryDirectory(prefix="bgjobs-pg-") as folder, _stopped_if_we_die(folder):
        server = PostgresServer(Path(folder))
        try:
            yield server
        finally:
            if server.running:
                server.stop("immediate")


@contextmanager
def _stopped_if_we_die(folder: str) -> Generator[None]:
    command = [sys.executable, "-m", "tests.reliability.chaos.postgres.server", folder]
    # In a session of its own, it does not receive the SIGINT of Ctrl-C.
    guard = subprocess.Popen(
        command, stdin=subprocess.PIPE, start_new_session=True, cwd=Path(__file__).parents[4]
    )
    try:
        yield
    finally:
        guard.communicate(b"done")


def _guard(folder: Path) -> None:
    """Wait for input; if stdin is closed without any, stop the server and remove its folder."""
    if sys.stdin.read():
        return
    with suppress(FileNotFoundError, ProcessLookupError):
        pid = _pid(folder / "data")
        os.kill(pid, signal.SIGQUIT)
        while True:
            time.sleep(0.05)
            os.kill(pid, 0)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    _guard(Path(sys.argv[1]))
