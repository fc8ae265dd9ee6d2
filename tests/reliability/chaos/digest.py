"""Kill the digest example again and again, and start it again each time.

The example itself checks at its end that each file was digested once.
"""

import argparse
import os
import secrets
import sqlite3
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from random import Random
from time import sleep

import psycopg
from attrs import frozen
from psycopg.conninfo import make_conninfo

from tests.e2e.digest_program import SCRIPT
from tests.e2e.example_program import ExampleProgram
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


def run(digest: ExampleProgram, tree: Path, trial: Trial, write: Callable[[str], None]) -> str:
    """Kill the example repeatedly, let it end, and return its last line of output."""
    random = Random(trial.seed)
    arguments = (tree, "--concurrency", str(trial.concurrency))
    thresholds = sorted(random.randrange(trial.files) for _ in range(trial.times))
    for number, threshold in enumerate(thresholds):
        goal = 0 if random.random() < _EARLY_SHARE else threshold
        lifetime = _run_and_kill(digest, arguments, goal, random)
        write(
            f"  killed {number + 1} after {lifetime:.2f} s, {digest.count_done():,} files done"
        )
    code, output, errors = digest.run(*arguments)
    return output.splitlines()[-1] if output else f"exit code {code}: {errors}"


def _run_and_kill(
    digest: ExampleProgram, arguments: Sequence[str | Path], goal: int, random: Random
) -> float:
    """Start the example, and kill it once `goal` files are digested; early for 0."""
    begun = monotonic()
    with digest.started(*arguments) as process:
        if goal == 0:
            sleep(random.uniform(0, _START_DELAY))
        while digest.count_done() < goal and process.poll() is None:
            assert monotonic() < begun + _PATIENCE, f"{digest.count_done()} of {goal} files"
            sleep(0.01)
        sleep(random.uniform(0, _KILL_DELAY))
        process.kill()
        process.communicate()
    return monotonic() - begun


def make_files(tree: Path, files: int) -> Path:
    """Create so many small files with different names in a tree of folders."""
    for number in range(files):
        file = tree / f"part {number % 97}" / f"{number}.txt"
        if number < 97:
            file.parent.mkdir(parents=True)
        file.write_text(f"{number}\n" * (number % 50), "utf-8")
    return tree


def digest_on(
    store: str, folder: Path, dsn: str = ""
) -> AbstractContextManager[ExampleProgram]:
    """Return a block with an empty database for the example; see `example_on`."""
    return example_on(
        store, SCRIPT, {"sqlite": "digests", "postgres": "digest.digests"}, folder, dsn
    )


@contextmanager
def example_on(
    store: str, script: str, tables: Mapping[str, str], folder: Path, dsn: str = ""
) -> Generator[ExampleProgram]:
    """Yield an empty database for an example; start a server unless one is given.

    On PostgreSQL it is a database of its own, since the schema of an example has a fixed name.
    `tables` has the name of the table whose rows are the work that is done, for each store.
    """
    table = tables[store]
    if store == "sqlite":
        uri = f"{(folder / script).with_suffix('.db').as_uri()}?mode=rw"
        connect = partial(sqlite3.connect, uri, uri=True)
        yield ExampleProgram(script, (), connect, table, folder)
        return
    with ExitStack() as stack:
        given = dsn or os.environ.get("BGJOBS_TEST_POSTGRES")
        server = given or stack.enter_context(started_postgres())
        own = stack.enter_context(_own_database(server))
        connect_own = partial(psycopg.connect, own)
        yield ExampleProgram(script, ("--postgres", own), connect_own, table, folder)


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
