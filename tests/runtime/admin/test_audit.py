"""What operators do is recorded: who did what, when, and how many jobs were changed."""

import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

import bgjobs
from bgjobs._core.ids import new_id, new_ids
from bgjobs._core.requests import JobRequest
from bgjobs.errors import (
    ExportedLineError,
    StoreError,
    StoreUnavailableError,
    UnknownNameError,
)
from bgjobs.events import AdminAction, StoreFailed
from bgjobs.stores.types import NewJob
from bgjobs.testing.contract.steps import fail, take
from bgjobs.testing.contract.steps import start as start_owner
from tests.fixtures.stores import operator_of
from tests.runtime.admin.helpers import broken, fine, nightly, planned
from tests.runtime.conftest import Harness, Wrapped, virtual_time

pytestmark = pytest.mark.anyio
FAILED, WAITING = bgjobs.JobFilter("failed"), bgjobs.JobFilter("waiting")


def failed_jobs(app: Harness, count: int) -> list[Any]:
    """Store failed jobs, and return their ids."""
    app.migrate()
    with app.opened() as store:
        ids = new_ids(count)
        store.write([NewJob(one, JobRequest("broken", '{"host":""}')) for one in ids])
        held = take(store, start_owner(store), ["broken"])
        store.write(settle=[fail(job) for job in held])
    return ids


def idle(app: Harness, **more: Any) -> bgjobs.Config:
    queue = bgjobs.Queue("default", workers=[fine], poll_interval=3600)
    jobs = [nightly()]
    return app.config(queues=[queue], scheduled_jobs=jobs, enqueue_only=[broken], **more)


def operated(app: Harness, **verbs: Any) -> bgjobs.Config:
    """Return a configuration whose store has other verbs for operators."""
    store: Any = app.database.store()
    operations = Wrapped(store.operations, **verbs)
    return idle(app, store=Wrapped(store, operations=operations))


async def recorded(client: bgjobs.Client) -> list[tuple[str | None, str, str, int | None]]:
    """Return the entries, the newest first."""
    found = await client.admin.audit()
    return [(one.author, one.action, one.subject, one.changed) for one in found]


Step = tuple[Callable[..., Awaitable[object]], str, str, int]


async def test_every_verb_records_one_entry(app: Harness) -> None:
    first, second, third = failed_jobs(app, 3)
    async with bgjobs.run(idle(app)) as bg:
        admin, schedule = bg.admin, bg.admin.schedule("nightly")
        await planned(bg)
        await admin.pause_queue("default")
        job, other = await bg.enqueue_many([fine.request().available_in(hours=1)] * 2)
        lines, delayed = list[str](), bgjobs.JobFilter("delayed", name="fine")

        async def export() -> None:
            lines.extend([line async for line in admin.export_failed(by="ada")])

        async def export_delayed(by: str | None = None) -> None:
            taken = [one.id async for one in admin.export_jobs(delayed, by=by)]
            assert other.id in taken  # beside the planned run of the scheduled job

        other_time = bgjobs.schedule().at(3).build()
        steps: list[Step] = [
            (partial(admin.enqueue, fine.request()), "enqueue", "fine", 1),
            (partial(admin.pause_queue, "default"), "pause_queue", "default", 1),
            (partial(admin.resume_queue, "default"), "resume_queue", "default", 1),
            (
                partial(admin.reschedule, job.id, new_id(), in_=timedelta(hours=2)),
                *("reschedule", f"{job.id}, ", 1),
            ),
            (
                partial(admin.change_priority, job.id, other.id, priority=3),
                *("change_priority", f"{job.id}, {other.id}", 2),
            ),
            (partial(admin.cancel, job.id, reason="x"), "cancel", str(job.id), 1),
            (export_delayed, "export_jobs", "fine", 2),
            (partial(admin.cancel_all, delayed, reason="x"), "cancel_all", "fine", 1),
            (export, "export_failed", "all", 3),
            (partial(admin.retry, first, new_id()), "retry", f"{first}, ", 1),
            (
                partial(admin.retry_all, bgjobs.JobFilter("failed", name="broken")),
                *("retry_all", "broken", 2),
            ),
            (
                partial(admin.delete, first, second, third, job.id),
                *("delete", f"{first}, {second}, {third} and 1 more", 4),
            ),
            (lambda **by: admin.import_failed(lines, **by), "import_failed", "lines", 3),
            (partial(admin.prune, failed_for=timedelta(0)), "prune", "all", 3),
            (
                partial(admin.prune, name="odd", cancelled_for=timedelta(0)),
                *("prune", "odd", 0),
            ),
            (schedule.pause, "pause_schedule", "nightly", 1),
            (schedule.resume, "resume_schedule", "nightly", 1),
            (partial(schedule.replace, other_time), "replace_schedule", "nightly", 1),
            (schedule.trigger, "trigger_schedule", "nightly", 1),
            (
                partial(bg.remove_scheduled_job, "nightly"),
                *("remove_scheduled_job", "nightly", 1),
            ),
        ]
        before = len(await recorded(bg))
        for place, (verb, action, subject, changed) in enumerate(steps, before + 1):
            await (verb() if verb is export else verb(by="ada"))
            [author, found, about, count], *_ = entries = await recorded(bg)
            assert (author, found, count, len(entries)) == ("ada", action, changed, place)
            assert about.startswith(subject)
    told = [(one.action, one.count) for one in app.recorder.of(AdminAction)]
    assert told[before:] == [(action, changed) for _, action, _, changed in steps]


async def test_entries_have_the_time_of_the_store_and_are_listed_in_pages(
    app: Harness,
) -> None:
    async with bgjobs.run(idle(app)) as bg:
        for name in ("ada", "grace"):
            await bg.admin.pause_queue("default", by=name)
            await bg.admin.resume_queue("default", by=name)
        [last, *_] = first = await bg.admin.audit(bgjobs.Page(3))
        assert isinstance(last, bgjobs.AuditEntry)
        assert last.at.utcoffset() == timedelta(0)
        assert sorted(first, key=lambda one: one.at, reverse=True) == first
        rest = await bg.admin.audit(bgjobs.Page(3, first.after))
        assert [(one.author, one.action) for one in rest] == [("ada", "pause_queue")]
        assert rest.after is None
        found = await bg.admin.audit(author="grace", action="pause_queue")
        assert [(one.author, one.action) for one in found] == [("grace", "pause_queue")]


@pytest.mark.parametrize("error", [StoreError, StoreUnavailableError])
async def test_nothing_is_changed_if_it_cannot_be_recorded(
    app: Harness, error: type[StoreError]
) -> None:
    ids = failed_jobs(app, 2)

    def begin_audit(*_: Any, **__: Any) -> None:
        raise error("permission denied for table audit (42501)")

    config = operated(app, begin_audit=begin_audit)
    async with bgjobs.run(bgjobs.Config(**{**vars_of(config), "store_timeout": 0.1})) as bg:
        await planned(bg)
        schedule, none = bg.admin.schedule("nightly"), timedelta(0)
        for verb in (
            partial(bg.admin.retry, *ids),
            partial(bg.admin.retry_all, FAILED),
            partial(bg.admin.delete, *ids),
            partial(bg.admin.prune, failed_for=none),
            partial(bg.admin.pause_queue, "default"),
            schedule.pause,
            schedule.trigger,
            partial(bg.remove_scheduled_job, "nightly"),
            lambda: anext(bg.admin.export_failed()),
        ):
            with pytest.raises(error, match="permission denied for table audit"):
                await verb()
        assert {job.id for job in await bg.list(FAILED)} == set(ids)
        assert await bg.admin.paused_queues() == frozenset()
        [state] = await bg.admin.schedules()
        assert not state.paused
        assert len(await bg.list(bgjobs.JobFilter("delayed"))) == 1
        assert await recorded(bg) == []
    assert app.recorder.of(AdminAction) == []


def vars_of(config: bgjobs.Config) -> dict[str, Any]:
    names = ("store", "queues", "scheduled_jobs", "enqueue_only", "listeners")
    return {name: getattr(config, name) for name in names}


async def test_a_cancelled_verb_records_what_it_has_changed(
    app: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bgjobs._runtime.admin.by_filter.BATCH", 2)
    failed_jobs(app, 5)
    async with bgjobs.run(idle(app)) as bg:
        scope = anyio.CancelScope()

        def cancel(done: int) -> None:
            if done == 4:
                scope.cancel()

        with scope:
            await bg.admin.retry_all(FAILED, by="ada", progress=cancel)
        assert scope.cancelled_caught
        assert await recorded(bg) == [("ada", "retry_all", "all", 4)]
        assert len(await bg.list(FAILED)) == 1
    assert [one.count for one in app.recorder.of(AdminAction)] == [4]


async def test_a_failing_verb_records_what_it_has_changed(
    app: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bgjobs._runtime.admin.batches.BATCH", 2)
    monkeypatch.setattr("bgjobs._runtime.admin.by_filter.BATCH", 2)
    ids = failed_jobs(app, 5)
    store: Any = app.database.store()
    calls = list[int]()

    def delete(part: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise StoreError("no right")
        return store.operations.delete(part)

    config = idle(
        app, store=Wrapped(store, operations=Wrapped(store.operations, delete=delete))
    )
    async with bgjobs.run(config) as bg:
        lines = [line async for line in bg.admin.export_failed()]
        with pytest.raises(StoreError, match="no right"):
            await bg.admin.delete(*ids)
        with pytest.raises(ExportedLineError):
            await bg.admin.import_failed([*lines[1:3], "{"])
        assert [one[1:] for one in await recorded(bg)] == [
            ("import_failed", "lines", 2),
            ("delete", f"{ids[0]}, {ids[1]}, {ids[2]} and 2 more", 4),
            ("export_failed", "all", 5),
        ]


async def test_an_export_that_is_left_early_records_what_it_has_yielded(app: Harness) -> None:
    failed_jobs(app, 3)
    async with bgjobs.run(idle(app)) as bg:
        export: Any = bg.admin.export_failed(FAILED, by="ada")
        await anext(export)
        assert await recorded(bg) == [("ada", "export_failed", "all", None)]
        await anext(export)
        await export.aclose()
        assert await recorded(bg) == [("ada", "export_failed", "all", 2)]


PROGRAM = """
import os, sys
import trio
import bgjobs

@bgjobs.worker
async def broken(host: str = "") -> None: ...

config = bgjobs.Config(store=bgjobs.SQLiteStore(sys.argv[1]), enqueue_only=[broken])

async def main() -> None:
    async with bgjobs.connect(config) as client:
        await client.admin.retry_all(
            bgjobs.JobFilter("failed"), by="ada", progress=lambda _: os._exit(9)
        )

trio.run(main)
"""


async def test_an_action_of_a_process_that_died_stays_open(
    sqlite_app: Harness, sqlite_path: Path
) -> None:
    failed_jobs(sqlite_app, 2)
    command = [sys.executable, "-c", PROGRAM, str(sqlite_path)]
    ended = await anyio.run_process(command, check=False)
    assert ended.returncode == 9, ended.stderr
    async with bgjobs.connect(idle(sqlite_app)) as client:
        assert await recorded(client) == [("ada", "retry_all", "all", None)]
        assert await client.list(FAILED) == []


async def test_an_action_whose_end_cannot_be_recorded_is_done_and_stays_open(
    app: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bgjobs._runtime.admin.audit.LONGEST_END", 0.1)
    [job_id] = failed_jobs(app, 1)

    def end_audit(*_: Any) -> None:
        raise StoreUnavailableError("gone")

    async with bgjobs.run(operated(app, end_audit=end_audit)) as bg:
        assert await bg.admin.delete(job_id) == [job_id]
        assert [one[1:] for one in await recorded(bg)] == [("delete", str(job_id), None)]
    assert {one.verb for one in app.recorder.of(StoreFailed)} == {"end_audit"}


async def test_wrong_arguments_record_nothing(sqlite_app: Harness) -> None:
    async with bgjobs.run(idle(sqlite_app)) as bg:
        with pytest.raises(ValueError, match="reason: expected a text, found an empty one"):
            await bg.admin.cancel(new_id(), reason=" ")
        with pytest.raises(ValueError, match="by: expected a text, found an empty one"):
            await bg.admin.pause_queue("default", by=" ")
        with pytest.raises(ValueError, match="by: expected text without NUL and lone surro"):
            await bg.admin.schedule("nightly").pause(by="a\0")
        with pytest.raises(TypeError, match="by: expected str, found int"):
            await bg.admin.delete(by=5)  # type: ignore[arg-type] # a wrong type
        with pytest.raises(UnknownNameError):
            await bg.admin.pause_queue("defualt")
        with pytest.raises(UnknownNameError):
            await bg.admin.schedule("nihgtly").pause()
        with pytest.raises(UnknownNameError):
            await bg.remove_scheduled_job("nihgtly")
        assert await recorded(bg) == []


async def test_long_texts_are_cut_and_odd_characters_are_kept(app: Harness) -> None:
    odd, long = "'; drop table jobs; --\x1b[2J\u202e %s :now {audit}", "🦉" * 5_000
    async with bgjobs.run(idle(app)) as bg:
        await bg.admin.pause_queue("default", by=odd)
        await bg.admin.resume_queue("default", by=long)
        [(cut, *_), (kept, *_)] = await recorded(bg)
        assert kept == odd
        assert cut is not None
        assert len(cut) == 200
        assert "characters cut" in cut
        assert len(await bg.admin.audit(author=odd)) == 1
        await bg.admin.prune(name="🦉" * 5_000, failed_for=timedelta(0))
        [(_, _, subject, _), *_] = await recorded(bg)
        assert len(subject) == 2_000
        assert "characters cut" in subject


async def test_a_pause_of_one_process_is_not_recorded(sqlite_app: Harness) -> None:
    async with bgjobs.run(idle(sqlite_app)) as bg:
        bg.queue("default").pause()
        bg.queue("default").resume()
        assert await recorded(bg) == []


async def test_schedules_are_changed_over_a_store_without_operations(app: Harness) -> None:
    """It records nothing."""
    config = idle(app, store=Wrapped(app.database.store(), operations=None))
    async with bgjobs.run(config) as bg:
        await planned(bg)
        await bg.scheduled_job("nightly").pause(by="ada")
        with pytest.raises(StoreError, match="expected a store with operations, found none"):
            await bg.admin.delete(new_id())
        with pytest.raises(StoreError, match="expected a store with operations, found none"):
            await bg.admin.audit()
    with app.opened() as store:
        assert operator_of(store).list_audit() == []
    assert [one.action for one in app.recorder.of(AdminAction)] == ["pause_schedule"]


@virtual_time
@pytest.mark.parametrize("days", [2, None])
async def test_entries_are_deleted_when_they_are_old(
    virtual_app: Harness, days: int | None
) -> None:
    age = None if days is None else timedelta(days=days)
    queue = {"poll_interval": 3600}
    retention = bgjobs.Retention(audit=age, interval=3600)
    config = virtual_app.config(fine, queue=queue, retention=retention)
    async with bgjobs.run(config) as bg:
        await bg.admin.pause_queue("default", by="ada")
        await anyio.sleep(timedelta(days=2, hours=-2).total_seconds())
        assert len(await recorded(bg)) == 1
        await anyio.sleep(timedelta(hours=4).total_seconds())
        assert len(await recorded(bg)) == (days is None)
