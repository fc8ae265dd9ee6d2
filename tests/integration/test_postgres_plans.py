"""The plan of a reservation: it reads little more than it returns, whatever is stored."""

from collections.abc import Generator
from typing import Any

import pytest

from bgjobs._core.ids import new_id
from bgjobs._core.outcomes import put_back
from bgjobs.stores.json_columns import dump_progress
from bgjobs.stores.postgres import PostgresStore
from bgjobs.testing.contract.steps import PROGRESS
from tests.fixtures.postgres import execute, fresh_postgres_store, schema_of
from tests.fixtures.postgres_jobs import open_owner
from tests.integration.postgres_plans import explained, explained_in_general

pytestmark = pytest.mark.xdist_group("postgres plans")  # each population is stored once

_NAMES = [f"w{number:02}" for number in range(50)]
_BY_PRIORITY = ("jobs_ready", "jobs_prompt", "jobs_delayed")
_FILL = """
    insert into {jobs} (id, name, payload, priority, created_at, available_at)
    select
        gen_random_uuid(), 'w' || lpad((n % 50)::text, 2, '0'), '[]', n / 50 % 3, now(),
        now() + interval '1 day' * (n / 150 % 2) - interval '1 hour'
            + {spread}
    from generate_series(1, 75000) as n
"""
_SPREADS = {
    "even": "n * interval '1 microsecond'",
    "ties": "n / 5000 * interval '1 microsecond'",
    "skewed": "n % 50 * interval '1 second'",
}
"""How times are spread: each name has a share of the first jobs, or a few names have all."""


@pytest.fixture(
    scope="module", params=["even, analyzed", "even, not analyzed", "ties", "skewed, analyzed"]
)
def population(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def store(population: str, postgres_dsn: str) -> Generator[PostgresStore]:
    spread, _, analyzed = population.partition(", ")
    with fresh_postgres_store(postgres_dsn) as store:
        jobs = f'"{schema_of(store)}".jobs'
        off = f"alter table {jobs} set (autovacuum_enabled = false)"
        execute(postgres_dsn, off, _FILL.format(jobs=jobs, spread=_SPREADS[spread]))
        if analyzed == "analyzed":
            execute(postgres_dsn, f"analyze {jobs}")
        yield store


def _explain(
    store: PostgresStore,
    dsn: str,
    verb: str,
    names: list[str],
    limit: int = 1,
    *,
    in_general: bool = False,
    **more: Any,
) -> list[dict[str, Any]]:
    after: dict[str, Any] = {"after": [], "after_ids": []}
    values = {"owner": open_owner(store), "names": names, "limit": limit, "now": None}
    explain = explained_in_general if in_general else explained
    return explain(store, dsn, verb, {**values, **after, **more})


def _read(node: dict[str, Any]) -> float:
    """Return how many rows of `jobs` a node has read, including those it discarded."""
    if node.get("Relation Name") != "jobs" or "Scan" not in node["Node Type"]:
        return 0
    rows = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
    return float(rows * node["Actual Loops"])


def _check_indexes(nodes: list[dict[str, Any]], allowed: set[str]) -> None:
    assert {node["Index Name"] for node in nodes if "Index Name" in node} <= allowed
    assert [node for node in nodes if node["Node Type"] == "Seq Scan"] == []


@pytest.mark.parametrize("in_general", [False, True], ids=["own plan", "one plan"])
@pytest.mark.parametrize("limit", [1, 10, 100])
@pytest.mark.parametrize("names", [_NAMES[:1], _NAMES], ids=["one name", "fifty names"])
def test_a_reservation_reads_little_more_than_it_takes(
    population: str,
    store: PostgresStore,
    postgres_dsn: str,
    names: list[str],
    limit: int,
    in_general: bool,
) -> None:
    """Also by the plan that a prepared statement has for any values, which the store uses."""
    nodes = _explain(store, postgres_dsn, "reserve", names, limit, in_general=in_general)
    _check_indexes(nodes, {*_BY_PRIORITY, "jobs_pkey", "owners_pkey"})
    # A row is read when it is chosen, when it is locked and when it is changed. If a few names
    # have all the first jobs, that takes several rounds.
    times = 6 if "skewed" in population else 4
    assert sum(map(_read, nodes)) <= times * (limit + len(names))
    locked = [node for node in nodes if node["Node Type"] == "LockRows"]
    # The server rounds the average of the loops.
    rows = sum(node["Actual Rows"] * node["Actual Loops"] for node in locked)
    assert round(rows) == limit


@pytest.mark.parametrize("limit", [1, 10, 100])
def test_a_reservation_is_too_cheap_to_be_compiled(
    store: PostgresStore, postgres_dsn: str, limit: int
) -> None:
    """Compiling takes far longer than running it; the server decides by its estimate."""
    [update, *_] = _explain(store, postgres_dsn, "reserve", _NAMES, limit)
    assert update["Total Cost"] < 50_000


@pytest.mark.parametrize("in_general", [False, True], ids=["own plan", "one plan"])
@pytest.mark.parametrize("planned", [True, False])
def test_the_next_due_reads_at_most_three_rows_a_name(
    store: PostgresStore, postgres_dsn: str, planned: bool, in_general: bool
) -> None:
    more = {"planned": planned, "in_general": in_general}
    nodes = _explain(store, postgres_dsn, "next_due", _NAMES, **more)
    _check_indexes(nodes, set(_BY_PRIORITY))
    assert sum(map(_read, nodes)) <= len(_NAMES) * 3


def test_a_unique_key_is_looked_up(store: PostgresStore, postgres_dsn: str) -> None:
    nodes = _explain(store, postgres_dsn, "find_unique", [], name="w00", unique_key="k")
    _check_indexes(nodes, {"jobs_unique"})
    assert sum(map(_read, nodes)) == 0


def test_replacing_looks_up_its_row(store: PostgresStore, postgres_dsn: str) -> None:
    nodes = _explain(store, postgres_dsn, "replace", [], id=new_id(), reservations=0)
    _check_indexes(nodes, {"jobs_pkey"})
    assert sum(map(_read, nodes)) == 0


@pytest.mark.parametrize("count", [1, 1000])
def test_the_check_for_ended_jobs_reads_no_table(
    store: PostgresStore, postgres_dsn: str, count: int
) -> None:
    values = {"id": [new_id() for _ in range(count)]}
    assert sum(map(_read, explained(store, postgres_dsn, "refuse_ended", values))) <= 1


@pytest.mark.parametrize("count", [1, 100])
def test_reports_look_up_their_rows(
    store: PostgresStore, postgres_dsn: str, count: int
) -> None:
    """It reads the reserved rows by an index, whatever else is stored."""
    jobs = store.reserve(open_owner(store), _NAMES, count)
    values = {
        "ids": [job.id for job in jobs],
        "owners": [job.reserved_by for job in jobs],
        "numbers": [job.reservations for job in jobs],
        "progress": [dump_progress(PROGRESS) for _ in jobs],
    }
    try:
        nodes = explained(store, postgres_dsn, "report", values)
        _check_indexes(nodes, {"jobs_pkey", "jobs_reserved"})
        assert sum(map(_read, nodes)) <= 2 * count
    finally:
        store.write(settle=[put_back(job) for job in jobs])
