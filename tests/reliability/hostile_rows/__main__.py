"""The command line: so many rows on each store, and a line for each."""

import argparse
import logging
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

from tests.fixtures.postgres import started_postgres
from tests.reliability.hostile_rows.places import Kind, Place, postgres_place, sqlite_place
from tests.reliability.hostile_rows.verdict import verdict


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for and return the exit code."""
    parser = argparse.ArgumentParser(
        "python -m tests.reliability.hostile_rows", description=__doc__
    )
    parser.add_argument("--rows", type=int, default=10_000, help="how many on each store")
    parser.add_argument("--seed", type=int, default=1, help="it decides every row")
    kinds = ("sqlite", "postgres")
    parser.add_argument("--store", choices=kinds, nargs="+", default=kinds)
    options = parser.parse_args(arguments)
    logging.getLogger("bgjobs").addHandler(logging.NullHandler())
    return max(_run(kind, options.seed, options.rows) for kind in options.store)


def _run(kind: Kind, seed: int, rows: int) -> int:
    began = monotonic()
    with _place(kind) as place:
        found = verdict(place, seed, rows)
    _write(f"{kind}, seed {seed}, {monotonic() - began:.0f} s: {found}")
    for problem in found.problems:
        _write(f"  {problem}")
    _write(
        f"{kind}: {len(found.problems)} failures" if found.problems else f"{kind}: none failed"
    )
    return 1 if found.problems else 0


@contextmanager
def _place(kind: Kind) -> Generator[Place]:
    if kind == "postgres":
        with started_postgres() as dsn, postgres_place(dsn) as place:
            yield place
        return
    with tempfile.TemporaryDirectory() as folder, sqlite_place(Path(folder)) as place:
        yield place


def _write(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
