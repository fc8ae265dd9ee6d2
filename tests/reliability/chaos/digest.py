"""The digest example, killed and started again: ``python -m tests.reliability.chaos digest [options]``.

Nobody looks into it: each file has to be digested once, as its own check at the end says.
"""

import argparse
import os
import secrets
import sqlite3
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from random import Random
from time import sleep

import psycopg
from attrs import frozen
from psycopg.conninfo import make_conninfo

from tests.e2e.places import Place
from tests.fixtures.postgres import started_postgres
from tests.reliability.chaos.orders import moment
from tests.reliability.chaos.places import STORES, new_folder

_STARTING = 0.7
"""Seconds within which it may be killed while it begins."""
_WORKING = 0.05
"""Seconds within which it is killed once it has done so much."""
_PATIENCE = 120.0
"""Seconds for a life; a safety net, not a measure."""
_BEGINNING = 0.3
"""The share of lives that end before any work is done, or soon after."""

Say = Callable[[str], None]


@frozen(kw_only=True)
class Trial:
    """How often it is killed, while it digests how many files."""

    times: int
    files: int
    seed: int
    concurrency: int = 8


def main(arguments: Sequence[str]) -> int:
    """Run what is asked for and give the exit code."""
    options = _parser().parse_args(arguments)
    trial = Trial(times=options.times, files=options.files, seed=options.seed)
    _say(f"seed {trial.seed}")
    held = [_holds(store, trial) for store in options.store]
    return 0 if all(held) else 1


def _holds(store: str, trial: Trial) -> bool:
    _say(f"\n{store}: {trial.files:,} files, killed {trial.times} times")
    with new_folder() as folder, place_on(store, folder) as place:
        verdict = run(place, planted(folder / "tree", trial.files), trial, _say)
    _say(verdict)
    return verdict.startswith(f"OK: {trial.files:,} files, each exactly once")


def run(place: Place, tree: Path, trial: Trial, say: Say) -> str:
    """Kill it again and again, let it end, and give the last line that it says."""
    random = Random(trial.seed)
    arguments = (tree, "--concurrency", str(trial.concurrency))
    thresholds = sorted(random.randrange(trial.files) for _ in range(trial.times))
    for number, threshold in enumerate(thresholds):
        goal = 0 if random.random() < _BEGINNING else threshold
        lived = _one_life(place, arguments, goal, random)
        say(f"  killed {number + 1} after {lived:.2f} s, {done(place):,} files digested")
    code, output, errors = place.run(*arguments)
    return output.splitlines()[-1] if output else f"exit code {code}: {errors}"


def _one_life(
    place: Place, arguments: Sequence[str | Path], goal: int, random: Random
) -> float:
    """Start it and kill it: once so many files are digested, or at any time with 0."""
    begun = moment()
    with place.started(*arguments) as process:
        if goal == 0:
            sleep(random.uniform(0, _STARTING))
        while done(place) < goal and process.poll() is None:
            assert moment() < begun + _PATIENCE, f"{done(place)} of {goal} files"
            sleep(0.01)
        sleep(random.uniform(0, _WORKING))
        process.kill()
        process.communicate()
    return moment() - begun


def done(place: Place) -> int:
    """Count the files that are digested."""
    try:
        with closing(place.connect()) as connection:
            [count] = connection.execute(f"select count(*) from {place.table}").fetchone()
    except (sqlite3.OperationalError, psycopg.errors.UndefinedTable):
        return 0  # not that far yet
    return int(count)


def planted(tree: Path, files: int) -> Path:
    """Make a tree of so many small files that are all different."""
    for number in range(files):
        file = tree / f"part {number % 97}" / f"{number}.txt"
        if number < 97:
            file.parent.mkdir(parents=True)
        file.write_text(f"{number}\n" * (number % 50), "utf-8")
    return tree


@contextmanager
def place_on(store: str, folder: Path, dsn: str = "") -> Generator[Place]:
    """Give a new place for it, on a server that is started unless `dsn` leads to one.

    It is a database of its own, as the example's schema has a fixed name.
    """
    if store == "sqlite":
        uri = f"{(folder / 'digest.db').as_uri()}?mode=rw"
        yield Place((), partial(sqlite3.connect, uri, uri=True), "digests", folder)
        return
    with ExitStack() as stack:
        given = dsn or os.environ.get("BGJOBS_TEST_POSTGRES")
        server = given or stack.enter_context(started_postgres())
        own = stack.enter_context(_own_database(server))
        connect = partial(psycopg.connect, own)
        yield Place(("--postgres", own), connect, "digest.digests", folder)


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


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
