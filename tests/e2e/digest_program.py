"""The digest example as a program, and the database with its results."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import psycopg
from attrs import frozen

EXAMPLES = Path(__file__).parents[2] / "examples"
DEADLINE = 60.0
"""Seconds that the example may take, which needs one or two."""

Row = tuple[str, int, int, str | None]


@frozen
class DigestProgram:
    """The example with its database, and the folder in which it is started."""

    arguments: tuple[str, ...]
    connect: Callable[[], Any]  # returns a sqlite3.Connection or a psycopg.Connection
    table: str
    cwd: Path

    @contextmanager
    def started(self, *arguments: str | Path) -> Generator["subprocess.Popen[str]"]:
        """Start the example, and kill it at the end of the block."""
        with subprocess.Popen(
            [
                sys.executable,
                str(EXAMPLES / "digest.py"),
                *self.arguments,
                *map(str, arguments),
            ],
            cwd=self.cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def run(self, *arguments: str | Path) -> tuple[int, str, str]:
        """Run the example, and return its exit code, stdout and stderr."""
        with self.started(*arguments) as process:
            output, errors = process.communicate(timeout=DEADLINE)
            return process.returncode, output, errors

    def rows(self) -> list[Row]:
        """Return the results; none if the table does not exist yet."""
        try:
            with closing(self.connect()) as connection:
                found = connection.execute(
                    f"select path, lines, bytes, sha256 from {self.table}"
                )
                return [tuple(row) for row in found]
        except (sqlite3.OperationalError, psycopg.errors.UndefinedTable):
            return []

    def change(self, statement: str) -> None:
        """Change the results without the example."""
        with closing(self.connect()) as connection, connection:
            connection.execute(statement.format(table=self.table))

    def wait_for_rows(self, number: int, process: "subprocess.Popen[str]") -> None:
        """Wait until there are so many results."""
        give_up_at = monotonic() + DEADLINE
        while len(self.rows()) < number:
            assert process.poll() is None, process.communicate()
            assert monotonic() < give_up_at, f"{len(self.rows())} rows"
            sleep(0.01)
