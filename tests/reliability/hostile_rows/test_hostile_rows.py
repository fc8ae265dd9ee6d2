"""An application runs beside hostile rows, and the commands of operators work afterwards."""

from pathlib import Path
from random import Random

import pytest

from bgjobs._core.ids import new_id
from tests.reliability.hostile_rows.database import postgres_database, sqlite_database
from tests.reliability.hostile_rows.report import run_seed
from tests.reliability.hostile_rows.rows import QUEUES, TABLES, Row, Rows
from tests.reliability.hostile_rows.values import MEGABYTE, MOST_LARGE, NOW, Values

ROWS = 300
SEEDS = (11, 12)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_an_application_runs_beside_hostile_rows_of_a_file(tmp_path: Path, seed: int) -> None:
    with sqlite_database(tmp_path) as database:
        assert run_seed(database, seed, ROWS).problems == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.xdist_group("postgres roles")
def test_an_application_runs_beside_hostile_rows_of_each_role(
    postgres_dsn: str, seed: int
) -> None:
    with postgres_database(postgres_dsn) as database:
        assert run_seed(database, seed, ROWS).problems == []


@pytest.mark.xdist_group("postgres roles")
def test_a_uuid_in_braces_is_known_by_the_id_that_commands_show(postgres_dsn: str) -> None:
    key = str(new_id())
    columns = {"id": f"{{{key}}}", "name": "plain", "payload": "{}", "created_at": NOW}
    row = Row("producer", "jobs", {**columns, "available_at": NOW}, is_counted=True)
    with postgres_database(postgres_dsn) as database:
        database.write([row])
        assert database.keys("jobs") == {key}
        assert database.shown_ids == {key: key}


def _made(is_postgres: bool) -> list[Row]:
    random = Random(1)
    return list(Rows(random, Values(random, is_postgres)).make(5_000))


@pytest.mark.parametrize("is_postgres", [False, True], ids=["sqlite", "postgres"])
def test_rows_have_every_table_role_size_and_kind_of_id(is_postgres: bool) -> None:
    rows = _made(is_postgres)
    assert {row.table for row in rows} == {*TABLES}
    assert {row.role for row in rows} == {"producer", "worker", "operator"}
    assert {row.key is None for row in rows} == {True, False}
    written = [{**row.columns, **row.changed} for row in rows]
    sizes = [len(one) for row in written for one in row.values() if isinstance(one, str)]
    # A few are made for rows that are written without them.
    assert MOST_LARGE / 2 < sum(size > MEGABYTE for size in sizes) <= MOST_LARGE
    stored = [
        row.columns.get("id")
        for row in rows
        if row.key is None and row.table not in ("owners", "past_owners")
    ]
    ids = [one for one in stored if one is not None]
    assert 0 < len(ids) - len(set(ids)) < len(ids) / 5
    held = {row.get("reserved_by") for row in written}
    assert held >= {"absent", "dead", "living", "own"}
    assert any(isinstance(one, bytes) for row in rows for one in row.columns.values())


def test_no_queue_of_the_application_is_paused() -> None:
    paused = {
        row.columns["name"]
        for row in _made(is_postgres=True)
        if row.table == "paused_queues" and isinstance(row.columns["name"], str)
    }
    assert paused
    assert paused.isdisjoint(QUEUES)


def test_the_same_seed_makes_the_same_rows() -> None:
    assert _made(is_postgres=True) == _made(is_postgres=True)
