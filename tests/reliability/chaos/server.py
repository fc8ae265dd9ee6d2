"""A PostgreSQL server of its own, to be harmed: ``with running_server() as server``.

``python -m tests.reliability.chaos.server FOLDER`` is its guard: a process that stops the server when the
one that started it was killed.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Literal, final

import psycopg

from tests.fixtures.postgres import new_server
from tests.reliability.chaos.server_check import problems

_PATIENCE = 60.0
"""Seconds for the server to start or to stop; a safety net."""
_CONNECTIONS = 300
_SETTINGS = (
    "listen_addresses = ''",
    "fsync = off",  # nobody pulls the plug, and what was written outlives the processes
    f"max_connections = {_CONNECTIONS}",
)
"""Commits stay synchronous: those that were acknowledged shall outlive an immediate stop."""

How = Literal["smart", "fast", "immediate"]


@final
class PostgresServer:
    """A server that runs from the moment it is made until `stop`, on a Unix socket only."""

    def __init__(self, folder: Path) -> None:
        self._data = folder / "data"
        self.dsn = new_server(self._data, cleanup_mode=None).get_uri()
        self.socket = "{}/.s.PGSQL.{}".format(*self._started_with())
        """The path of its Unix socket."""
        # The server knows best where its programs lie and as whom it runs.
        self._programs = Path(f"/proc/{self.pid}/exe").resolve().parent
        self._owner = self._data.stat()
        self._configure()

    @property
    def pid(self) -> int:
        """The number of its first process."""
        return _pid(self._data)

    @property
    def running(self) -> bool:
        """Whether it was started and not stopped."""
        return _lock(self._data).exists()

    def stop(self, how: How = "fast") -> None:
        """Stop it; "immediate" is a crash, after which it has to recover."""
        self._control("stop", "-m", how)

    def start(self) -> None:
        """Start it again, and wait until it accepts connections."""
        self._control("start", "-l", str(self._data / "log"))

    def restart_immediately(self) -> None:
        """Let it crash, and recover."""
        self._control("restart", "-m", "immediate", "-l", str(self._data / "log"))

    def terminate_backends(
        self, random: Random, *, like: str = "%", most: int | None = None
    ) -> int:
        """End the sessions of some clients, 1 to `most`; gives how many.

        `like` is a pattern for their application names.
        """
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            found = connection.execute(_CLIENTS, {"like": like}).fetchall()
            count = min(len(found), random.randint(1, most or max(1, len(found))))
            for (pid,) in random.sample(found, count):
                connection.execute("select pg_terminate_backend(%s)", [pid])
        return count

    def check(self) -> Sequence[str]:
        """Give everything that is wrong with what it has stored, in tables and indexes.

        It is stopped and started for it: checksums can be verified only while it is down.
        """
        found = problems(self.dsn)
        self.stop()
        try:
            self._run("pg_checksums", "--check")
        except subprocess.CalledProcessError as error:
            found.append(f"pg_checksums: {error.stderr}")
        self.start()
        return found

    def _started_with(self) -> tuple[str, str]:
        lines = _lock(self._data).read_text().splitlines()
        return lines[4], lines[3]

    def _configure(self) -> None:
        # A start after a stop does not know what the first start was told.
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


def _lock(data: Path) -> Path:
    """Name the file that is there while the server runs, with what it was started with."""
    return data / "postmaster.pid"


def _pid(data: Path) -> int:
    return int(_lock(data).read_text().splitlines()[0])


@contextmanager
def running_server() -> Generator[PostgresServer]:
    """Run a server in a temporary folder; it is gone afterwards, even if we are killed."""
    with tempfile.TemporaryDirectory(prefix="bgjobs-pg-") as folder, _guarded(folder):
        server = PostgresServer(Path(folder))
        try:
            yield server
        finally:
            if server.running:
                server.stop("immediate")


@contextmanager
def _guarded(folder: str) -> Generator[None]:
    command = [sys.executable, "-m", "tests.reliability.chaos.server", folder]
    # In a session of its own Ctrl-C does not reach it.
    guard = subprocess.Popen(
        command, stdin=subprocess.PIPE, start_new_session=True, cwd=Path(__file__).parents[3]
    )
    try:
        yield
    finally:
        guard.communicate(b"done")


def _guard(folder: Path) -> None:
    """Wait for a word; if the pipe is just closed, stop the server and remove all."""
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
