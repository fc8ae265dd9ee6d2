"""A sample of the mutants, and that none is left out; `nox -s mutants` runs them all."""

import re
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest

from bgjobs.stores.postgres import PostgresStore
from bgjobs.stores.sqlite import SQLiteStore
from tests.fixtures.postgres import random_schema
from tests.sql.__main__ import Verdict, judge
from tests.sql.databases import (
    Check,
    Database,
    PostgresDatabase,
    SQLiteFile,
    checks_of,
    mutated,
    passes,
)
from tests.sql.equivalents import EQUIVALENT, reason_of
from tests.sql.mutants import DIALECTS, Mutant, mutants, statements

ALL = [
    one
    for dialect in DIALECTS
    for verb in statements(dialect)
    for one in mutants(dialect, verb)
]
_ABOUT = re.compile(
    "cannot_(be_)?settled?|its_holder|leaves_other|left_over|not_put_back_either"
    "|waits_are_recorded|with_each_end|put_back_after_its_parent|without_a_command"
)
_OF_JOBS = re.compile(r"\b(?:insert into|update|delete from) \{jobs(?:_\w+)?\}")
_SETTLING = re.compile(r":settled|%\(numbers\)s::integer\[\]\) ?\n? *as held")
"""Where the reservations of settlements go in."""


@pytest.fixture
def sqlite(tmp_path: Path) -> Database:
    return SQLiteFile(tmp_path)


@pytest.fixture
def postgres(postgres_dsn: str) -> Generator[Database]:
    name = random_schema()
    yield PostgresDatabase(postgres_dsn, name)
    with psycopg.connect(postgres_dsn, autocommit=True) as admin:
        admin.execute(f"drop database {name} with (force)".encode())


def _is_rejected(mutant: Mutant, database: Database) -> bool:
    found = [one for one in checks_of(mutant.dialect) if _ABOUT.search(one.__name__)]
    checks = sorted(found, key=lambda check: "cannot_settle" not in check.__name__)
    with mutated(mutant):
        return not all(passes(check, database) for check in checks)


def test_every_mutant_of_a_settlement_is_rejected_on_sqlite(sqlite: Database) -> None:
    chosen = [one for one in ALL if one.dialect == "sqlite" and _SETTLING.search(one.text)]
    assert {one.verb for one in chosen} >= {"succeed", "fail", "requeue", "drop"}
    survived = [one for one in chosen if not reason_of(one) and not _is_rejected(one, sqlite)]
    assert survived == []


def test_a_settlement_under_an_older_number_is_rejected_on_postgres(postgres: Database) -> None:
    chosen = [
        one
        for one in ALL
        if one.dialect == "postgres"
        and one.what.endswith(">= in job.reservations = held.number")
        and not reason_of(one)
    ]
    assert len(chosen) > 3
    assert [one for one in chosen if not _is_rejected(one, postgres)] == []


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_statement_that_writes_jobs_has_mutants(dialect: str) -> None:
    writing = [verb for verb, text in statements(dialect).items() if _OF_JOBS.search(text)]
    assert len(writing) > 10
    assert [verb for verb in writing if not mutants(dialect, verb)] == []


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_names_of_mutants_are_unique(dialect: str) -> None:
    names = [(one.verb, one.what) for one in ALL if one.dialect == dialect]
    assert len(names) == len(set(names)) > 100


def test_every_reason_is_of_some_mutant() -> None:
    used = {reason_of(mutant) for mutant in ALL} - {None}
    assert used == set(EQUIVALENT.values())
    assert len([one for one in ALL if reason_of(one)]) < len(ALL) / 6


def test_sqlite_takes_every_mutant(sqlite: SQLiteFile) -> None:
    filled = SQLiteStore(":memory:")._executor.sql.filled
    with sqlite.store(), sqlite.connect() as connection:
        for mutant in (one for one in ALL if one.dialect == "sqlite"):
            for part in filled(mutant.text):
                named = dict.fromkeys(re.findall(r":(\w+)", part))
                values = named or [None] * part.count("?")
                connection.execute(f"explain {part}", values)


def test_postgres_takes_every_mutant(postgres: Database) -> None:
    filled = PostgresStore("")._sql._statements.filled
    with postgres.connect() as connection:
        for mutant in (one for one in ALL if one.dialect == "postgres"):
            for part in filled(mutant.text):
                values = dict.fromkeys(re.findall(r"%\((\w+)\)s", part))
                connection.execute(f"explain {part}", values)


def test_a_survivor_and_a_false_reason_are_told(sqlite: Database) -> None:
    """With no check at all, and with one that rejects everything."""

    def refuse(store: Any) -> None:
        raise AssertionError

    def of(checks: Sequence[Check]) -> Verdict:
        return judge(sqlite, "drop", checks)

    everything = [one.what for one in mutants("sqlite", "drop")]
    assert list(of([]).survivors) == everything
    assert (of([refuse]).rejected, list(of([refuse]).survivors)) == (len(everything), [])
