"""An example as a program that is started and killed, on a database of its own."""

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
"""Seconds that an example may take, which needs a few."""


@frozen
class ExampleProgram:
    """An example with its database, and the folder in which it is started."""

    script: str
    arguments: tuple[str, ...]
    connect: Callable[[], Any]  # returns a sqlite3.Connection or a psycopg.Connection
    table: str
    """Has a row for each part of the work that is done."""
    cwd: Path

    @contextmanager
    def started(self, *arguments: str | Path) -> Generator["subprocess.Popen[str]"]:
        """Start the example, and kill it at the end of the block."""
        with subprocess.Popen(
            [
                sys.executable,
                str(EXAMPLES / self.script),
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

    def count_done(self) -> int:
        """Return how many parts of the work are done; none if the table does not exist yet."""
        try:
            with closing(self.connect()) as connection:
                [count] = connection.execute(f"select count(*) from {self.table}").fetchone()
        except (sqlite3.OperationalError, psycopg.errors.UndefinedTable):
            return 0
        return int(count)

    def wait_until_done(self, number: int, process: "subprocess.Popen[str]") -> None:
        """Wait until so many parts of the work are done."""
        give_up_at = monotonic() + DEADLINE
        while (done := self.count_done()) < number:
            assert process.poll() is None, process.communicate()
            assert monotonic() < give_up_at, f"{done} of {number}"
            sleep(0.01)
