"""Write hostile rows to each store while an application runs, and report problems."""

import argparse
import logging
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

from tests.fixtures.postgres import started_postgres
from tests.reliability.hostile_rows.database import (
    Kind,
    TestedDatabase,
    postgres_database,
    sqlite_database,
)
from tests.reliability.hostile_rows.report import run_seed


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    parser = argparse.ArgumentParser(
        "python -m tests.reliability.hostile_rows", description=__doc__
    )
    parser.add_argument(
        "--rows", type=int, default=10_000, help="the number of rows for each store"
    )
    parser.add_argument("--seed", type=int, default=1, help="the seed of all rows")
    kinds = ("sqlite", "postgres")
    parser.add_argument("--store", choices=kinds, nargs="+", default=kinds)
    options = parser.parse_args(arguments)
    logging.getLogger("bgjobs").addHandler(logging.NullHandler())
    return max(_run(kind, options.seed, options.rows) for kind in options.store)


def _run(kind: Kind, seed: int, rows: int) -> int:
    began = monotonic()
    with _database(kind) as database:
        found = run_seed(database, seed, rows)
    _write(f"{kind}, seed {seed}, {monotonic() - began:.0f} s: {found}")
    for problem in found.problems:
        _write(f"  {problem}")
    _write(
        f"{kind}: {len(found.problems)} problems" if found.problems else f"{kind}: no problems"
    )
    return 1 if found.problems else 0


@contextmanager
def _database(kind: Kind) -> Generator[TestedDatabase]:
    if kind == "postgres":
        with started_postgres() as dsn, postgres_database(dsn) as database:
            yield database
        return
    with tempfile.TemporaryDirectory() as folder, sqlite_database(Path(folder)) as database:
        yield database


def _write(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
