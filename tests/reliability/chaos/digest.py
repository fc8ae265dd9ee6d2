"""Kill the digest example again and again, and start it again each time.

The example itself checks at its end that each file was digested once.
"""

import argparse
import os
import secrets
import sqlite3
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from random import Random
from time import sleep

import psycopg
from attrs import frozen
from psycopg.conninfo import make_conninfo

from tests.e2e.digest_program import DigestProgram
from tests.fixtures.postgres import started_postgres
from tests.reliability.chaos.environment import STORES, new_folder
from tests.reliability.chaos.settings import monotonic, write_line

_START_DELAY = 0.7
"""The most seconds after its start at which it is killed early."""
_KILL_DELAY = 0.05
"""The most seconds until it is killed after it has digested enough files."""
_PATIENCE = 120.0
"""Seconds that one run may take."""
_EARLY_SHARE = 0.3
"""The share of runs that are killed early, before any work or soon after."""


@frozen(kw_only=True)
class Trial:
    """How often the example is killed, and how many files it digests."""

    times: int
    files: int
    seed: int
    concurrency: int = 8


def main(arguments: Sequence[str]) -> int:
    """Run the command line and return the exit code."""
    options = _parser().parse_args(arguments)
    trial = Trial(times=options.times, files=options.files, seed=options.seed)
    write_line(f"seed {trial.seed}")
    passed = [_run_case(store, trial) for store in options.store]
    return 0 if all(passed) else 1


def _run_case(store: str, trial: Trial) -> bool:
    write_line(f"\n{store}: {trial.files:,} files, killed {trial.times} times")
    with new_folder() as folder, digest_on(store, folder) as digest:
        result = run(digest, make_files(folder / "tree", trial.files), trial, write_line)
    write_line(result)
    return result.startswith(f"OK: {trial.files:,} files, each exactly once")


def run(digest: DigestProgram, tree: Path, trial: Trial, write: Callable[[str], None]) -> str:
    """Kill the example repeatedly, let it end, and return its last line of output."""
    random = Random(trial.seed)
    arguments = (tree, "--concurrency", str(trial.concurrency))
    thresholds = sorted(random.randrange(trial.files) for _ in range(trial.times))
    for number, threshold in enumerate(thresholds):
        goal = 0 if random.random() < _EARLY_SHARE else threshold
        lifetime = _run_and_kill(digest, arguments, goal, random)
        write(
            f"  killed {number + 1} after {lifetime:.2f} s, {count_done(digest):,} files done"
        )
    code, output, errors = digest.run(*arguments)
    return output.splitlines()[-1] if output else f"exit code {code}: {errors}"


def _run_and_kill(
    digest: DigestProgram, arguments: Sequence[str | Path], goal: int, random: Random
) -> float:
    """Start the example, and kill it once `goal` files are digested; early for 0."""
    begun = monotonic()
    with digest.started(*arguments) as process:
        if goal == 0:
            sleep(random.uniform(0, _START_DELAY))
        while count_done(digest) < goal and process.poll() is None:
            assert monotonic() < begun + _PATIENCE, f"{count_done(digest)} of {goal} files"
            sleep(0.01)
        sleep(random.uniform(0, _KILL_DELAY))
        process.kill()
        process.communicate()
    return monotonic() - begun


def count_done(digest: DigestProgram) -> int:
    """Return the number of digested files."""
    try:
        with closing(digest.connect()) as connection:
            [count] = connection.execute(f"select count(*) from {digest.table}").fetchone()
    except (sqlite3.OperationalError, psycopg.errors.UndefinedTable):
        return 0  # the table does not exist yet
    return int(count)


def make_files(tree: Path, files: int) -> Path:
    """Create so many small files with different names in a tree of folders."""
    for number in range(files):
        file = tree / f"part {number % 97}" / f"{number}.txt"
        if number < 97:
            file.parent.mkdir(parents=True)
        file.write_text(f"{number}\n" * (number % 50), "utf-8")
    return tree


@contextmanager
def digest_on(store: str, folder: Path, dsn: str = "") -> Generator[DigestProgram]:
    """Yield an empty database for the example; start a server unless one is given.

    On PostgreSQL it is a database of its own, since the schema of the example has a fixed name.
    """
    if store == "sqlite":
        uri = f"{(folder / 'digest.db').as_uri()}?mode=rw"
        yield DigestProgram((), partial(sqlite3.connect, uri, uri=True), "digests", folder)
        return
    with ExitStack() as stack:
        given = dsn or os.environ.get("BGJOBS_TEST_POSTGRES")
        server = given or stack.enter_context(started_postgres())
        own = stack.enter_context(_own_database(server))
        connect = partial(psycopg.connect, own)
        yield DigestProgram(("--postgres", own), connect, "digest.digests", folder)


@contextmanager
def _own_database(dsn: str) -> Generator[str]:
    name = f"digest_{secrets.token_hex(6)}"
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute(f"create database {name}".encode())
        try:
            yield make_conninfo(dsn, dbname=name)
        finally:
            admin.execute(f"drop database {name} with (force)".encode())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m tests.reliability.chaos digest", description=__doc__
    )
    parser.add_argument("--store", nargs="+", choices=STORES, default=STORES)
    parser.add_argument("--times", type=int, default=20, help="how often it is killed")
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=secrets.randbits(32))
    return parser
