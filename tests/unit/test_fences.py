"""A proof over the text of the .sql files that no write touches a job that others hold.

Every write of every statement is found, also in named queries, and shown to touch only new
jobs, jobs that nobody holds, or jobs that are held by the very reservation that it settles:
id, owner and number. What is not understood is refused.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

import bgjobs
from bgjobs._core.jobs import Reservation
from bgjobs._core.settlements import Drop, Fail, Requeue, Settlement, Succeed
from bgjobs.stores.columns import ColumnLists
from bgjobs.stores.postgres import codec
from bgjobs.stores.sql import Statements, blocks
from bgjobs.stores.sqlite import rows as sqlite_rows
from bgjobs.stores.values import by_verb
from tests.unit.fences import check_leaving, check_migration, judge
from tests.unit.sql_mutants import mutants
from tests.unit.sql_tokens import RefusedError, tokens

_PACKAGE = Path(bgjobs.__file__).parent
_DIALECTS = ("sqlite", "postgres")

ENDED_AND_LIVE = ("live", "succeeded", "failed")
JOBS, SUCCEEDED, FAILED = "{jobs}", "{jobs_succeeded}", "{jobs_failed}"
_BOTH: dict[str, Any] = {
    "reserve": {("update", JOBS, "unreserved")},
    "replace": {("delete", JOBS, "as read")},
    "drop": {("delete", JOBS, "fenced")},
    "enqueue": {("insert", JOBS, "new")},
    "change": {("update", JOBS, "changed")},
    "pause_queue": {("insert", "{paused_queues}", "other")},
    "resume_queue": {("delete", "{paused_queues}", "other")},
    "forget_cancellations": {("delete", "{cancellations}", "other")},
    "open_owner": {("insert", "{owners}", "other")},
    "heartbeat": {("update", "{owners}", "other")},
    "close_owners": {("delete", "{owners}", "other")},
    "record_migration": {("insert", "{migrations}", "other")},
}
RESTORED = ("insert", FAILED, "restored")
_SUCCEED = {("insert", SUCCEEDED, "ended"), ("delete", JOBS, "fenced")}
_FAIL = {("insert", FAILED, "ended"), ("delete", JOBS, "fenced")}
_CANCEL = {("insert", FAILED, "ended"), ("delete", JOBS, "cancelled")}
_DELETE = {("delete", SUCCEEDED, "not live"), ("delete", FAILED, "not live")}
_PRUNE = {("delete", SUCCEEDED, "pruned"), ("delete", FAILED, "pruned")}
_RETRY = {
    ("insert", JOBS, "again"),
    ("delete", FAILED, "live again"),
    ("delete", "{cancellations}", "other"),
}
WRITES: dict[str, dict[str, Any]] = {
    "sqlite": {
        **_BOTH,
        "succeed": _SUCCEED,
        "fail": _FAIL,
        "requeue": {("insert", JOBS, "fenced"), ("delete", "{cancellations}", "other")},
        "cancel": {*_CANCEL, ("insert", "{cancellations}", "other")},
        "delete": {
            *_DELETE,
            ("delete", JOBS, "cancelled"),
            ("delete", "{cancellations}", "other"),
            ("delete", "{jobs_unreadable}", "other"),
        },
        "retry": _RETRY,
        "record_starts": {(verb, "{starts}", "other") for verb in ("delete", "insert")},
        "restore": {RESTORED},
        "prune": _PRUNE,
        "prune_worker": _PRUNE,
        "index_failures": {(verb, "{failures}", "other") for verb in ("delete", "update")}
        | {(verb, "{failure_words}", "other") for verb in ("delete", "insert")},
    },
    "postgres": {
        **_BOTH,
        "succeed": _SUCCEED,
        "succeed_locked": _SUCCEED,
        "free_unique_key": {("update", JOBS, "key freed")},
        "fail": _FAIL,
        "requeue": {
            ("update", JOBS, "fenced"),
            ("insert", FAILED, "ended"),
            ("delete", JOBS, "commanded"),
            ("delete", "{cancellations}", "other"),
        },
        "cancel_waiting": _CANCEL,
        "cancel_running": {("insert", "{cancellations}", "other")},
        "delete_waiting": {("delete", JOBS, "cancelled")},
        "delete_ended": _DELETE,
        "delete_cancellations": {("delete", "{cancellations}", "other")},
        "delete_unreadable": {("delete", "{jobs_unreadable}", "other")},
        "retry": _RETRY,
        "record_starts": {(verb, "{starts}", "other") for verb in ("delete", "insert")},
        "restore": {RESTORED},
        "delete_restored": {("delete", FAILED, "live again")},
        "prune_succeeded": {("delete", SUCCEEDED, "pruned")},
        "prune_failed": {("delete", FAILED, "pruned")},
        "prune_worker_succeeded": {("delete", SUCCEEDED, "pruned")},
        "prune_worker_failed": {("delete", FAILED, "pruned")},
    },
}
"""What each statement writes, and why it may; the others only read."""


TWICE = {("postgres", "record_starts")}
"""What has two writes of one kind."""


_LIMITED = re.compile(
    r"case when (?:\S+ is null or )?octet_length\((\S+)\) <= \d+ then \S+ (?:else '' )?end"
)
"""A text that is read only if it is short enough; for what is written it is the text."""


class _Columns(Statements):
    def filled(self, text: str) -> tuple[str, ...]:
        return tuple(_LIMITED.sub(r"\1", one) for one in super().filled(text))


def _sql(dialect: str) -> Statements:
    columns = ColumnLists("octet_length({})".format, "({0} >= 1 and {0} < 2)".format, str)
    return _Columns(f"bgjobs.stores.{dialect}", lambda name: f"{{{name}}}", columns)


_SHOWN_BY_RUNNING = {
    *("set_apart", "put_back", "rename_unreadable"),
    *(f"set_apart_{kind}" for kind in ENDED_AND_LIVE),
    *("put_back_waiting", "put_back_succeeded", "delete_put_back"),
}
"""They move rows that are no jobs: see test_unreadable_rows.py and test_limits.py."""


def _statements(dialect: str) -> list[str]:
    """Without `validate`, which writes no rows."""
    return [name for name in blocks(f"bgjobs.stores.{dialect}") if "validate_" not in name]


def _files(dialect: str) -> list[str]:
    return sorted(set(_statements(dialect)) - _SHOWN_BY_RUNNING)


ALL = [(dialect, verb) for dialect in _DIALECTS for verb in _files(dialect)]


@pytest.mark.parametrize(("dialect", "verb"), ALL)
def test_every_write_is_shown_to_touch_only_what_it_may(dialect: str, verb: str) -> None:
    found = [one for text in _sql(dialect)[verb] for one in judge(text, dialect)]
    expected = WRITES[dialect].get(verb, set())
    assert {(one.verb, one.table, one.because) for one in found} == expected
    assert len(found) == len(expected) or (dialect, verb) in TWICE


_ENDS = {
    "sqlite": (("succeed",), ("fail",), ("cancel",), ("requeue",)),
    "postgres": (
        *(("succeed",), ("free_unique_key", "succeed_locked"), ("fail",)),
        *(("cancel_running", "cancel_waiting"), ("requeue",)),
    ),
}
"""The statements that end a job, in one transaction."""


@pytest.mark.parametrize("dialect", _DIALECTS)
def test_a_settled_job_becomes_an_ended_one_unless_it_is_dropped_or_put_back(
    dialect: str,
) -> None:
    sql = _sql(dialect)
    for names in _ENDS[dialect]:
        check_leaving([judge(text, dialect) for name in names for text in sql[name]])
    with pytest.raises(RefusedError, match="not recorded"):
        check_leaving([judge(text, dialect) for text in sql["drop"]])


def test_a_cancelled_job_that_is_not_recorded_is_refused() -> None:
    [_, record, leave] = _sql("sqlite")["cancel"]
    check_leaving([judge(record, "sqlite"), judge(leave, "sqlite")])
    some = _sql("postgres")["cancel_waiting"][0].replace(
        "from cancelled\n    where", "from cancelled where name = %(name)s and"
    )
    for verdicts in (judge(leave, "sqlite"), judge(some, "postgres")):
        with pytest.raises(RefusedError, match="not recorded"):
            check_leaving([verdicts])


@pytest.mark.parametrize(("dialect", "verb"), ALL)
def test_what_is_judged_is_what_is_run(dialect: str, verb: str) -> None:
    """A semicolon at the end of a comment's line would cut a statement in two."""
    sql = _sql(dialect)
    text = blocks(f"bgjobs.stores.{dialect}")[verb]
    whole = [token.text for part in _sql(dialect)[verb] for token in tokens(part)]
    alone = re.sub(r"--.*", "", text).split(";")
    parts = [token.text for part in alone for one in sql.filled(part) for token in tokens(one)]
    assert whole == parts


@pytest.mark.parametrize("dialect", _DIALECTS)
def test_no_migration_touches_rows(dialect: str) -> None:
    sql = _sql(dialect)
    statements = [text for file in sql.migrations() for text in sql.migration(file)]
    moving = sql.migration("0005_limits.sql")  # see tests/integration/test_limits.py
    for text in statements:
        if text not in moving:
            check_migration(text)
    [jobs] = [text for text in statements if "create table {jobs} " in text]
    assert re.search(r"\n    id \w+ (not null )?primary key", jobs)


def held(number: int) -> Reservation:
    return Reservation(UUID(int=number), UUID(int=number + 100), number)


COUNTERS: dict[str, Any] = {"attempts": 7, "crashes": 8, "interruptions": 9}
ENDS: dict[str, Callable[[Reservation], Settlement]] = {
    "succeed": Succeed,
    "drop": Drop,
    "fail": lambda reservation: Fail(reservation=reservation, error="no", **COUNTERS),
    "requeue": lambda reservation: Requeue(reservation=reservation, **COUNTERS),
}


@pytest.mark.parametrize("verb", ENDS)
def test_the_parts_of_the_fence_are_bound_to_those_of_the_reservation(verb: str) -> None:
    settlements: list[Settlement] = [ENDS[verb](held(number)) for number in (2, 1)]
    assert by_verb(settlements) == {verb: settlements}
    ordered = [held(1), held(2)]
    assert (
        codec.settle_values(settlements, None).items()
        >= {
            "ids": codec.uuids([one.job_id for one in ordered]),
            "owners": codec.uuids([one.owner for one in ordered]),
            "numbers": codec.integers([one.number for one in ordered]),
        }.items()
    )
    for one in settlements:
        values = sqlite_rows.fence(one)
        if isinstance(one, Fail | Requeue):
            assert sqlite_rows.counters(one)[:3] == values
        held_by = one.reservation
        assert values == [str(held_by.job_id), str(held_by.owner), held_by.number]


def _reasons(dialect: str, text: str) -> list[str]:
    return [one.because for one in judge(text, dialect)]


HARMLESS = {"new", "pruned", "other"}
FENCED = [
    pytest.param(dialect, text, id=f"{dialect}-{verb}-{number}")
    for dialect, verb in ALL
    for number, text in enumerate(_sql(dialect)[verb])
    if not HARMLESS.issuperset(_reasons(dialect, text))
]
FEWEST_MUTANTS = 8


@pytest.mark.parametrize(("dialect", "text"), FENCED)
def test_every_fault_in_a_fence_is_refused(dialect: str, text: str) -> None:
    faulty = list(mutants(text, _reasons(dialect, text)[0]))
    assert len(faulty) > FEWEST_MUTANTS
    accepted = [
        one.what for one in faulty if one.text == text or is_as_good(one.text, text, dialect)
    ]
    assert accepted == []


def is_as_good(mutant: str, text: str, dialect: str) -> bool:
    try:
        return judge(mutant, dialect) == judge(text, dialect)
    except RefusedError:
        return False


@pytest.mark.parametrize("dialect", _DIALECTS)
def test_all_fences_were_tried(dialect: str) -> None:
    names = {str(one.id).split("-")[1] for one in FENCED if str(one.id).startswith(dialect)}
    assert names >= {"reserve", "replace", "succeed", "fail", "requeue", "drop"}
    assert names >= {"retry", "change", "restore"}
    assert names >= (
        {"cancel", "delete"} if dialect == "sqlite" else {"cancel_waiting", "delete_waiting"}
    )


FENCE = "job.id = held.id and job.reserved_by = held.owner and job.reservations = held.number"
HELD = (
    "unnest(%(ids)s::uuid[], %(owners)s::uuid[], %(numbers)s::integer[]) "
    "as held (id, owner, number)"
)
DELETE = "delete from {jobs} as job using"


def test_the_shortest_fenced_statement_is_accepted() -> None:
    [verdict] = judge(f"{DELETE} {HELD} where {FENCE}", "postgres")
    assert verdict.because == "fenced"


IDS = "id = any(%(ids)s::uuid[])"

REFUSED = {
    "no condition": "delete from {jobs}",
    "no condition on the row": f"{DELETE} {HELD} where held.id = held.id",
    "a row of another table": f"{DELETE} {{owners}} as own, {HELD} where "
    + FENCE.replace("job.", "own."),
    "the fence in a query beside it": (
        f"delete from {{jobs}} where exists (select from {{jobs}} as job, {HELD} where {FENCE})"
    ),
    "the fence of two settlements": (
        f"{DELETE} {HELD}, {HELD.replace('as held', 'as other')} where "
        + FENCE.replace("held.number", "other.number")
    ),
    "a fence that is denied": f"{DELETE} {HELD} where not ({FENCE})",
    "a fence that is asked": f"{DELETE} {HELD} where ({FENCE}) is null",
    "a fence or nothing": f"{DELETE} {HELD} where {FENCE} or true",
    "a fence in a case": f"{DELETE} {HELD} where case when {FENCE} then true else true end",
    "a fence behind between": f"{DELETE} {HELD} where 1 between 0 and {FENCE}",
    "a fence in a comment": f"{DELETE} {HELD} where true -- and {FENCE}",
    "a fence in a comment of many lines": f"{DELETE} {HELD} where true /* and {FENCE} */",
    "a fence in a string": f"{DELETE} {HELD} where 'and {FENCE}' is not null",
    "a fence in an identifier": f'{DELETE} {HELD} where "{FENCE}" is null',
    "a fence in dollars": f"{DELETE} {HELD} where $${FENCE}$$ is null",
    "a fence in what is returned": f"{DELETE} {HELD} returning {FENCE}",
    "a fence that is cut in two": f"{DELETE} {HELD} where {FENCE}; delete from {{jobs}}",
    "a fence in an outer join": f"{DELETE} {{jobs}} as other left join {HELD} on {FENCE}",
    "a column list of another order": f"{DELETE} {HELD.replace('id, owner', 'owner, id')} "
    f"where {FENCE}",
    "a column list that is too short": f"{DELETE} {HELD.replace('id, owner, number', 'id')} "
    f"where {FENCE}",
    "values of the statement": f"{DELETE} (select 1 as id, 2 as owner, 3 as number) as held "
    f"where {FENCE}",
    "only the owner": "delete from {jobs} where reserved_by = %(owner)s",
    "a merge": f"merge into {{jobs}} as job using {HELD} on {FENCE} when matched then delete",
    "a truncation": "truncate {jobs}",
    "a dropped table": "drop table {jobs}",
    "a copy": "copy {jobs} from stdin",
    "a trigger": "create trigger t after update on {jobs} execute function f()",
    "a call": "call settle_all()",
    "a table by its own name": "delete from bgjobs_jobs where reserved_by is null",
    "a table that is not known": "delete from {other_jobs}",
    "a table in another schema": "delete from {schema}.jobs where reserved_by is null",
    "a named query that writes": "with gone as (delete from {jobs} returning id) select 1",
    "a nested query that writes": "select * from (delete from {jobs} returning id) as gone",
    "a named query in a named query": (
        "with a as (with b as (delete from {jobs} returning id) select id from b) select 1"
    ),
    "a table made by a select": "select * into {jobs} from {jobs_failed}",
    "an update without a condition": "update {jobs} set reserved_by = null, reserved_at = null",
    "an update of waiting jobs that keeps the number": (
        "update {jobs} set priority = 1 where reserved_by is null"
    ),
    "an update of jobs that wait or not": (
        "update {jobs} set reservations = reservations + 1 where reserved_by is null or true"
    ),
    "a delete of waiting jobs": "delete from {jobs} where reserved_by is null",
    "an insert of a reserved job": "insert into {jobs} (id, reserved_by) select 1, 2",
    "an insert that replaces": "insert into {jobs} (id) select 1 on conflict (id) do update "
    "set reserved_by = null, reserved_at = null",
    "an insert of values": "insert into {jobs} (id) values (1)",
    "an insert without columns": "insert into {jobs} select 1",
    "an ended job out of nothing": "insert into {jobs_failed} (id) select 1",
    "an ended job that is changed": "update {jobs_succeeded} set name = 'other'",
    "an ended job that is written over": "insert into {jobs_failed} (id) select 1 "
    "on conflict (id) do update set id = 1",
    "a delete of all that wait": (
        "delete from {jobs} where reserved_by is null and occurrence is null"
    ),
    "a delete of what may run": f"delete from {{jobs}} where {IDS} and occurrence is null",
    "a change of what may run": f"update {{jobs}} set priority = 1 where {IDS}",
    "a change of an occurrence": (
        f"update {{jobs}} set priority = 1 where {IDS} and reserved_by is null"
    ),
    "a delete of failed jobs": f"delete from {{jobs_failed}} where {IDS}",
    "a delete of ended jobs of any age": "delete from {jobs_succeeded}",
    "a delete of ended jobs by another's age": (
        "delete from {jobs_failed} where id = any(array("
        "select id from {jobs_succeeded} where succeeded_at < now()))"
    ),
    "a job that runs again by a new number": (
        "insert into {jobs} (id, reservations) select id, 0 from {jobs_failed}"
    ),
    "a given job that may be live": (
        "insert into {jobs_failed} (id, reservations, reserved_by) "
        "select given.id, given.reservations, given.reserved_by "
        "from unnest(%(ids)s::uuid[], %(numbers)s::integer[], %(owners)s::uuid[]) "
        "as given (id, reservations, reserved_by) on conflict (id) do nothing"
    ),
    "a parenthesis too few": f"{DELETE} {HELD} where ({FENCE}",
    "a parenthesis too many": f"{DELETE} {HELD} where {FENCE})",
    "nothing": "",
}


@pytest.mark.parametrize("dialect", _DIALECTS)
@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_what_is_not_shown_is_refused(dialect: str, text: str) -> None:
    with pytest.raises(RefusedError):
        judge(text, dialect)


def test_on_postgres_rows_that_are_read_have_to_be_locked() -> None:
    read_by = f"delete from {{jobs}} where id in (select job.id from {{jobs}} as job, {HELD} "
    with pytest.raises(RefusedError):
        judge(f"{read_by} where {FENCE})", "postgres")
    [verdict] = judge(f"{read_by} where {FENCE} for update)", "postgres")
    assert verdict.because == "fenced"


MIGRATIONS = (
    "update {jobs} set reserved_by = null",
    "create table {more} as select * from {jobs}",
    "create table {more} (id text references {jobs} (id) on delete cascade)",
    "create trigger t after insert on {jobs} begin delete from {jobs}; end",
    "alter table {jobs} drop column reserved_by",
    "alter table {jobs} rename to {old}",
    "drop table {jobs}",
    "select 1",
)


@pytest.mark.parametrize("text", MIGRATIONS)
def test_a_migration_that_does_more_than_add_is_refused(text: str) -> None:
    with pytest.raises(RefusedError):
        check_migration(text)
