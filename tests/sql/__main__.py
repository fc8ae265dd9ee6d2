"""Run the checks against every mutant of every statement: `python -m tests.sql [VERB…]`.

A mutant is rejected by the first check that fails, or that does not end. One that all checks
pass has to be listed as equivalent, with the reason.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import ExitStack
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from pathlib import Path
from time import monotonic

from attrs import field, frozen

from tests.fixtures.postgres import started_postgres
from tests.sql.databases import (
    Check,
    Database,
    PostgresDatabase,
    SQLiteFile,
    checks_of,
    mutated,
    passes,
    reach,
)
from tests.sql.equivalents import reason_of
from tests.sql.mutants import DIALECTS, Mutant, mutants, statements

PATIENCE = 20.0
"""Seconds for one check: a mutant may keep threads waiting for each other for ever."""


@frozen
class Verdict:
    """What became of the mutants of one statement."""

    dialect: str
    verb: str
    rejected: int
    equivalent: int
    survivors: Sequence[str]
    seconds: float
    rejecting: Sequence[tuple[str, str]] = field(repr=False)
    """Each rejected mutant, and the check that rejected it."""

    def __str__(self) -> str:
        number = self.rejected + self.equivalent + len(self.survivors)
        return (
            f"{self.dialect} {self.verb}: {number} mutants, {self.rejected} rejected, "
            f"{self.equivalent} equivalent ({self.seconds:.1f} s)"
        )


def judge(
    database: Database, verb: str, reaching: Sequence[Check], *, doubting: bool = False
) -> Verdict:
    """Run these checks against each mutant of one statement, those that rejected one first.

    All checks pass for a mutant that is equivalent, which takes as long as many others. It is
    run only when `doubting`.
    """
    began = monotonic()
    checks = list(reaching)
    rejecting: list[tuple[str, str]] = []
    survivors: list[str] = []
    equivalent = 0
    for mutant in mutants(database.dialect, verb):
        is_equivalent = reason_of(mutant) is not None
        if is_equivalent and not doubting:
            equivalent += 1
            continue
        check = rejected_by(mutant, checks, database)
        if check is not None:
            rejecting.append((mutant.what, check.__name__))
            checks.remove(check)
            checks.insert(0, check)
        if is_equivalent and check is not None:
            survivors.append(f"{mutant.what}: listed as equivalent, but {check.__name__} fails")
        elif is_equivalent:
            equivalent += 1
        elif check is None:
            survivors.append(mutant.what)
    rejected = len(rejecting)
    took = monotonic() - began
    return Verdict(database.dialect, verb, rejected, equivalent, survivors, took, rejecting)


def rejected_by(mutant: Mutant, checks: Sequence[Check], database: Database) -> Check | None:
    """Return the first check that does not pass, run in a process that can be killed."""
    mine, theirs = Pipe(duplex=False)
    child = get_context("fork").Process(target=_run, args=(mutant, checks, database, theirs))
    child.start()
    theirs.close()
    try:
        for check in checks:
            if not _is_answered_well(mine):
                return check
        return None
    finally:
        child.kill()
        child.join()


def _is_answered_well(answers: Connection) -> bool:
    try:
        return answers.poll(PATIENCE) and answers.recv() is True
    except EOFError:  # the check has ended the process
        return False


def _run(
    mutant: Mutant, checks: Sequence[Check], database: Database, answers: Connection
) -> None:
    with mutated(mutant):
        for check in checks:
            answers.send(passes(check, database))


_database: Database | None = None


def _begin(dialect: str, place: str) -> None:
    global _database  # noqa: PLW0603 - one for each process of the pool
    name = f"mutants_{os.getpid()}"
    if dialect == "postgres":
        _database = PostgresDatabase(place, name)
    else:
        folder = Path(place) / name
        folder.mkdir()
        _database = SQLiteFile(folder)


def _reach() -> dict[str, list[str]]:
    assert _database is not None
    found = reach(_database)
    return {verb: [check.__name__ for check in checks] for verb, checks in found.items()}


def _judge(verb: str, reaching: Sequence[str], doubting: bool) -> Verdict:
    assert _database is not None
    named = {check.__name__: check for check in checks_of(_database.dialect)}
    return judge(_database, verb, [named[name] for name in reaching], doubting=doubting)


def verdicts(
    dialect: str, verbs: Sequence[str], processes: int, *, doubting: bool
) -> Iterator[Verdict]:
    """Judge statements of one dialect in several processes."""
    with ExitStack() as stack:
        if dialect == "postgres":
            place = stack.enter_context(started_postgres())
        else:
            place = stack.enter_context(tempfile.TemporaryDirectory())
        pool = stack.enter_context(
            ProcessPoolExecutor(processes, initializer=_begin, initargs=(dialect, place))
        )
        reached = pool.submit(_reach).result()
        # The largest first, so that no process is left with it at the end.
        largest = sorted(verbs, key=lambda verb: -len(mutants(dialect, verb)))
        judged = [
            pool.submit(_judge, verb, reached.get(verb, []), doubting) for verb in largest
        ]
        for one in as_completed(judged):
            yield one.result()


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge what is asked for, and return the exit code."""
    parser = argparse.ArgumentParser("python -m tests.sql", description=__doc__)
    parser.add_argument("verbs", nargs="*", help="statements; all of them without any")
    parser.add_argument("--dialect", choices=DIALECTS, nargs="+", default=DIALECTS)
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--verbose", action="store_true", help="name the rejecting checks")
    parser.add_argument(
        "--equivalents", action="store_true", help="doubt the reasons: run all checks for them"
    )
    options = parser.parse_args(arguments)
    unknown = set(options.verbs).difference(*map(statements, DIALECTS))
    if unknown:
        parser.error(f"no such statements with fences: {sorted(unknown)}")
    began, survivors, number = monotonic(), 0, 0
    for dialect in options.dialect:
        chosen = [
            verb for verb in statements(dialect) if verb in options.verbs or not options.verbs
        ]
        for verdict in verdicts(
            dialect, chosen, options.processes, doubting=options.equivalents
        ):
            _say(str(verdict))
            for what, check in verdict.rejecting if options.verbose else ():
                _say(f"    {what}: {check}")
            for what in verdict.survivors:
                _say(f"    SURVIVED {what}")
            survivors += len(verdict.survivors)
            number += verdict.rejected + verdict.equivalent + len(verdict.survivors)
    _say(f"{number} mutants in {monotonic() - began:.0f} s, {survivors} survived")
    return 1 if survivors else 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
