"""Rows that the database refuses: only their own changes fail."""

import json
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, get_args
from uuid import UUID

import pytest

import bgjobs
from bgjobs.errors import ExportedLineError, RowRefusedError, StoreError
from bgjobs.events import AdminAction, ChangeRefused, Pruned, StoreFailed
from bgjobs.testing.contract import steps
from tests.fixtures.databases import PostgresSchema
from tests.runtime.conftest import Harness, Wrapped

pytestmark = pytest.mark.anyio

Verb = Literal["insert", "update", "delete"]
SQLITE = """\
create trigger refuse_{number}_{verb} before {verb} on bgjobs_{table} when {row}.id = '{id}'
begin select raise(abort, 'row refused'); end
"""
POSTGRES = """\
create function {schema}.refuse_{number}() returns trigger language plpgsql as
$$ begin raise exception 'row refused'; end $$;
create trigger refuse_{number} before {verb} on {schema}.{table} for each row
when ({row}.id = '{id}') execute function {schema}.refuse_{number}()
"""
UNDO = (
    "drop trigger refuse_{number}_delete",
    "drop trigger refuse_{number} on {schema}.jobs_succeeded",
)


@bgjobs.worker
async def broken(number: int) -> None:
    raise ConnectionError(f"no route to {number}")


@bgjobs.worker
async def fine() -> None:
    """Succeed."""


def refuse(app: Harness, verb: Verb, table: str, *ids: UUID) -> None:
    """Make the database refuse these rows from now on."""
    is_postgres = isinstance(app.database, PostgresSchema)
    with closing(app.database.connect()) as connection:
        for number, one in enumerate(ids):
            values: dict[str, Any] = {"verb": verb, "table": table, "id": one, "number": number}
            values["row"] = "old" if verb == "delete" else "new"
            if isinstance(app.database, PostgresSchema):
                values["schema"] = app.database.schema
            connection.execute((POSTGRES if is_postgres else SQLITE).format(**values))
        connection.commit()


def check(app: Harness, table: str, condition: str) -> None:
    """Add a constraint; on SQLite by a trigger, as it cannot add one to an existing table."""
    with closing(app.database.connect()) as connection:
        if isinstance(app.database, PostgresSchema):
            name = f"{app.database.schema}.{table}"
            connection.execute(f"alter table {name} add constraint odd check ({condition})")
        else:
            connection.execute(
                f"create trigger odd before insert on bgjobs_{table} "
                f"when not (new.{condition}) begin select raise(abort, 'odd constraint'); end"
            )
        connection.commit()


@pytest.fixture
async def client(app: Harness) -> AsyncIterator[bgjobs.Client]:
    async with bgjobs.connect(migrated(app)) as client:
        yield client


def migrated(app: Harness, **more: Any) -> bgjobs.Config:
    app.migrate()
    return app.config(queues=[], enqueue_only=[broken], **more)


Retried = Literal["failed", "cancelled"]
each_end = pytest.mark.parametrize("state", get_args(Retried))


def end(app: Harness, state: Retried, count: int) -> list[UUID]:
    """Store jobs that have failed or were cancelled. Return their ids, the oldest first."""
    now = datetime.now(UTC)
    with app.opened() as store:
        store.migrate()
        jobs = [steps.end(store, steps.ENDS[state], now, name="broken") for _ in range(count)]
    return [job.id for job in jobs]


def ages_of(state: Retried) -> dict[str, Any]:
    """Return the arguments of `prune` for all jobs with this end."""
    return {f"{state}_for": timedelta(0)}


def told(app: Harness, action: str) -> list[UUID]:
    """Return the jobs whose refusal was reported for an action, each only once."""
    assert app.recorder.of(StoreFailed) == []
    found = [one for one in app.recorder.of(ChangeRefused) if one.action == action]
    assert all(isinstance(one.error, RowRefusedError) for one in found)
    assert all("row refused" in str(one.error) for one in found)
    return [one.job_id for one in found]


@each_end
async def test_a_refused_row_does_not_keep_others_from_running_again(
    app: Harness, client: bgjobs.Client, state: Retried
) -> None:
    ids = end(app, state, 7)
    refuse(app, "insert", "jobs", ids[2], ids[5])
    again = await client.admin.retry(*ids)
    assert sorted(again) == sorted(set(ids) - {ids[2], ids[5]})
    assert told(app, "retry") == [ids[2], ids[5]]
    assert [one.count for one in app.recorder.of(AdminAction) if one.action == "retry"] == [5]


async def test_retrying_many_ids_takes_no_quadratic_time(
    app: Harness, client: bgjobs.Client
) -> None:
    compared = 0

    class Counted(UUID):
        def __eq__(self, other: object) -> bool:
            nonlocal compared
            compared += 1
            return super().__eq__(other)

        __hash__ = UUID.__hash__

    ids = [Counted(str(one)) for one in end(app, "failed", 60)]
    assert len(await client.admin.retry(*ids)) == 60
    assert compared <= 2 * 60
    assert [one.count for one in app.recorder.of(AdminAction) if one.action == "retry"] == [60]


@each_end
async def test_a_retry_of_all_jobs_with_an_end_passes_over_refused_rows(
    app: Harness, client: bgjobs.Client, monkeypatch: pytest.MonkeyPatch, state: Retried
) -> None:
    monkeypatch.setattr("bgjobs._runtime.admin.by_filter.BATCH", 4)
    ids, wanted = end(app, state, 11), bgjobs.JobFilter(state)
    refuse(app, "insert", "jobs", ids[0], ids[4], ids[10])
    seen: list[int] = []
    assert await client.admin.retry_all(wanted, progress=seen.append) == 8
    assert seen == [3, 6, 8]
    assert sorted(told(app, "retry_all")) == sorted([ids[0], ids[4], ids[10]])
    left = await client.list(wanted)
    assert sorted(job.id for job in left) == sorted([ids[0], ids[4], ids[10]])


async def test_a_refused_row_does_not_keep_others_from_being_cancelled(
    app: Harness, client: bgjobs.Client
) -> None:
    jobs = [(await client.enqueue(broken.request(number))).id for number in range(6)]
    refuse(app, "insert", "jobs_cancelled", jobs[1])
    found = await client.admin.cancel(*jobs[:3], reason="test")
    assert sorted(found.ended) == [jobs[0], jobs[2]]
    assert told(app, "cancel") == [jobs[1]]
    waiting, seen = bgjobs.JobFilter("waiting"), list[int]()
    assert await client.admin.cancel_all(waiting, reason="test", progress=seen.append) == 3
    assert seen == [3]
    assert told(app, "cancel_all") == [jobs[1]]
    assert [job.id for job in await client.list(waiting)] == [jobs[1]]


async def test_a_refused_row_does_not_keep_others_from_being_changed(
    app: Harness, client: bgjobs.Client
) -> None:
    jobs = [(await client.enqueue(broken.request(number))).id for number in range(5)]
    refuse(app, "update", "jobs", jobs[0])
    assert sorted(await client.admin.change_priority(*jobs, priority=5)) == jobs[1:]
    assert told(app, "change_priority") == [jobs[0]]
    assert sorted(await client.admin.reschedule(*jobs, in_=timedelta(hours=1))) == jobs[1:]
    assert told(app, "reschedule") == [jobs[0]]


@each_end
async def test_a_refused_row_does_not_keep_others_from_being_pruned(
    app: Harness, client: bgjobs.Client, monkeypatch: pytest.MonkeyPatch, state: Retried
) -> None:
    monkeypatch.setattr("bgjobs._runtime.admin.by_filter.BATCH", 4)
    ids, ages = end(app, state, 11), ages_of(state)
    refuse(app, "delete", f"jobs_{state}", ids[0], ids[1], ids[6])
    seen: list[int] = []
    assert await client.admin.prune(**ages, progress=seen.append) == 8
    assert seen == sorted(set(seen))
    assert seen[-1] == 8
    assert sorted(told(app, "prune")) == sorted([ids[0], ids[1], ids[6]])
    left = await client.list(bgjobs.JobFilter(state))
    assert sorted(job.id for job in left) == sorted(told(app, "prune"))
    assert await client.admin.prune(**ages) == 0


async def test_a_refused_row_does_not_keep_others_of_its_worker_from_being_pruned(
    app: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bgjobs._runtime.admin.by_filter.BATCH", 4)
    async with bgjobs.run(app.config(fine)) as bg:
        jobs = await bg.enqueue_many(fine.request() for _ in range(9))
        await bg.drain()
        refuse(app, "delete", "jobs_succeeded", jobs[0].id, jobs[5].id)
        none, seen = timedelta(0), list[int]()
        assert await bg.admin.prune(name="odd", succeeded_for=none, failed_for=none) == 0
        ages: dict[str, Any] = {"succeeded_for": none, "failed_for": none}
        assert await bg.admin.prune(name="fine", **ages, progress=seen.append) == 7
        assert seen[-1] == 7
        assert sorted(job.id for job in await bg.list(bgjobs.JobFilter("succeeded"))) == [
            jobs[0].id,
            jobs[5].id,
        ]
    assert told(app, "prune") == [jobs[0].id, jobs[5].id]


@each_end
async def test_a_refused_row_does_not_keep_others_from_being_deleted(
    app: Harness, client: bgjobs.Client, state: Retried
) -> None:
    ids = end(app, state, 6)
    refuse(app, "delete", f"jobs_{state}", ids[1], ids[4])
    assert sorted(await client.admin.delete(*ids)) == sorted(set(ids) - {ids[1], ids[4]})
    assert told(app, "delete") == [ids[1], ids[4]]
    assert [one.count for one in app.recorder.of(AdminAction) if one.action == "delete"] == [4]


async def test_a_refused_row_of_a_succeeded_job_does_not_keep_others_from_being_pruned(
    app: Harness,
) -> None:
    async with bgjobs.run(app.config(fine)) as bg:
        jobs = await bg.enqueue_many(fine.request() for _ in range(6))
        await bg.drain()
        refuse(app, "delete", "jobs_succeeded", jobs[3].id)
        none = timedelta(0)
        assert await bg.admin.prune(succeeded_for=none, failed_for=none) == 5
        assert [job.id for job in await bg.list(bgjobs.JobFilter("succeeded"))] == [jobs[3].id]
    assert told(app, "prune") == [jobs[3].id]


async def test_the_retention_passes_over_a_refused_row(app: Harness) -> None:
    async with bgjobs.run(app.config(fine)) as bg:
        jobs = await bg.enqueue_many(fine.request() for _ in range(6))
        await bg.drain()
    refuse(app, "delete", "jobs_succeeded", jobs[3].id)
    retention = bgjobs.Retention(succeeded=timedelta(microseconds=1), interval=3600)
    async with bgjobs.run(app.config(fine, retention=retention)) as bg:
        await app.recorder.wait_for(Pruned)
        assert [job.id for job in await bg.list(bgjobs.JobFilter("succeeded"))] == [jobs[3].id]
    assert [one.count for one in app.recorder.of(Pruned)] == [5]


async def test_the_retention_ends_a_round_in_which_too_much_is_refused(app: Harness) -> None:
    async with bgjobs.run(app.config(fine)) as bg:
        jobs = await bg.enqueue_many(fine.request() for _ in range(30))
        await bg.drain()
    refuse(app, "delete", "jobs_succeeded", *(job.id for job in jobs))
    retention = bgjobs.Retention(succeeded=timedelta(microseconds=1), interval=3600)
    app.recorder.clear()
    async with bgjobs.run(app.config(fine, retention=retention)) as bg:
        await app.recorder.wait_for(StoreFailed, 11)
        await bg.wait_for(await bg.enqueue(fine.request()))
        assert len(await bg.list(bgjobs.JobFilter("succeeded"))) >= 30
    assert len(app.recorder.of(StoreFailed)) == 11


async def test_refused_rows_of_one_kind_do_not_affect_the_other_kind(app: Harness) -> None:
    async with bgjobs.run(app.config(fine, broken, queue={"max_retries": 0})) as bg:
        jobs = await bg.enqueue_many(fine.request() for _ in range(15))
        await bg.enqueue(broken.request(1))
        await bg.drain()
    refuse(app, "delete", "jobs_succeeded", *(job.id for job in jobs))
    tick = timedelta(microseconds=1)
    retention = bgjobs.Retention(succeeded=tick, failed=tick, interval=3600)
    async with bgjobs.run(app.config(fine, retention=retention)) as bg:
        await app.recorder.wait_for(Pruned)
        assert await bg.list(bgjobs.JobFilter("failed")) == []
    assert [one.count for one in app.recorder.of(Pruned)] == [1]


async def test_the_next_round_of_retention_starts_after_the_refused_rows(app: Harness) -> None:
    async with bgjobs.run(app.config(fine)) as bg:
        first = await bg.enqueue_many(fine.request() for _ in range(25))
        await bg.drain()
        await bg.enqueue_many(fine.request() for _ in range(4))
        await bg.drain()
    refuse(app, "delete", "jobs_succeeded", *(job.id for job in first))
    retention = bgjobs.Retention(succeeded=timedelta(microseconds=1), interval=0.05)
    async with bgjobs.run(app.config(fine, retention=retention)) as bg:
        await app.recorder.wait_for(Pruned)
        assert {job.id for job in await bg.list(bgjobs.JobFilter("succeeded"))} == {
            job.id for job in first
        }
        with closing(app.database.connect()) as connection:
            for number in range(25):
                connection.execute(
                    UNDO[isinstance(app.database, PostgresSchema)].format(
                        number=number, schema=getattr(app.database, "schema", "")
                    )
                )
            connection.commit()
        told = len(app.recorder.of(Pruned))
        while await bg.list(bgjobs.JobFilter("succeeded")):
            await app.recorder.wait_for(Pruned, told + 1)
            told = len(app.recorder.of(Pruned))
    assert sum(one.count for one in app.recorder.of(Pruned)) == 29


async def test_all_rows_may_be_refused(app: Harness, client: bgjobs.Client) -> None:
    ids = end(app, "failed", 5)
    refuse(app, "insert", "jobs", *ids)
    assert await client.admin.retry(*ids) == []
    assert told(app, "retry") == ids
    assert await client.admin.retry(ids[0]) == []


async def test_an_import_reports_the_lines_that_the_database_refuses(
    app: Harness, client: bgjobs.Client
) -> None:
    ids = end(app, "failed", 6)
    lines = [line async for line in client.admin.export_failed()]
    await client.admin.prune(failed_for=timedelta(0))
    check(app, "jobs_failed", "attempts < 7")
    lines[2] = lines[2].replace('"attempts":0', '"attempts":7')
    lines[4:4] = ["", '{"format":1}', "no json"]
    found = await client.admin.import_failed(lines, skip_bad=True)
    assert (found.stored, found.present, found.refused) == (5, 0, 3)
    assert [error.number for error in found.errors] == [3, 6, 7]
    assert "odd" in found.errors[0].problem
    assert found.errors[2].problem == "expected a JSON object, found something else"
    stored = [job.id for job in await client.list(bgjobs.JobFilter("failed"))]
    assert len(stored) == 5
    assert set(ids) - set(stored) == {UUID(json.loads(lines[2])["id"])}
    again = await client.admin.import_failed(lines, skip_bad=True)
    assert (again.stored, again.present, again.refused) == (0, 5, 3)


async def test_an_import_that_skips_nothing_names_the_first_line(
    app: Harness, client: bgjobs.Client
) -> None:
    end(app, "failed", 4)
    lines = [line async for line in client.admin.export_failed()]
    await client.admin.prune(failed_for=timedelta(0))
    check(app, "jobs_failed", "attempts < 7")
    lines[1] = lines[1].replace('"attempts":0', '"attempts":7')
    with pytest.raises(ExportedLineError, match=r"line 2: .*odd") as caught:
        await client.admin.import_failed(lines)
    assert isinstance(caught.value.__cause__, RowRefusedError)
    assert len(await client.list(bgjobs.JobFilter("failed"))) == 3


async def test_of_many_refused_lines_the_first_are_named_and_all_counted(
    sqlite_app: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bgjobs._runtime.admin.by_filter.BATCH", 7)
    async with bgjobs.connect(migrated(sqlite_app)) as client:
        found = await client.admin.import_failed(
            (f"line {n}" for n in range(250)), skip_bad=True
        )
    assert (found.stored, found.present, found.refused) == (0, 0, 250)
    assert [error.number for error in found.errors] == list(range(1, 101))


async def test_a_store_that_refuses_everything_is_not_asked_again(
    sqlite_app: Harness,
) -> None:
    """An error that is not about a row, such as a missing permission, ends the call at once."""
    asked: list[int] = []

    def retry(ids: list[UUID], **_: object) -> list[UUID]:
        asked.append(len(ids))
        raise StoreError("permission denied")

    store = sqlite_app.database.store()
    operations = Wrapped(store.operations, retry=retry)  # type: ignore[attr-defined] # pyright: ignore - of a SQLiteStore
    wrapped = Wrapped(store, operations=operations)
    async with bgjobs.connect(migrated(sqlite_app, store=wrapped)) as client:
        ids = end(sqlite_app, "failed", 3)
        with pytest.raises(StoreError, match="permission denied"):
            await client.admin.retry(*ids)
        with pytest.raises(StoreError, match="permission denied"):
            await client.admin.retry_all(bgjobs.JobFilter("failed"))
        assert len(await client.list(bgjobs.JobFilter("failed"))) == 3
    assert asked == [3, 3]
    assert sqlite_app.recorder.of(ChangeRefused) == []
