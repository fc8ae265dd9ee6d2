# ruff: noqa: E501 - a table reads by its rows
"""Operators' work through `Admin`, beside running applications, on both stores."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import anyio
import anyio.lowlevel
import pytest

import bgjobs
from bgjobs._core.ids import new_id
from bgjobs._core.jobs import FailedJob, SucceededJob
from bgjobs.errors import (
    ExportedLineError,
    NaiveDatetimeError,
    SchemaMismatchError,
    SearchError,
    UnknownJobError,
    UnknownNameError,
)
from bgjobs.events import AdminAction, JobCancelled, JobEnqueued, QueuePaused, QueueResumed
from tests.runtime.conftest import Harness, Wrapped

pytestmark = pytest.mark.anyio

BROKEN = {"queue": {"max_retries": 0}}


@bgjobs.worker
async def broken(host: str) -> None:
    raise ConnectionError(f"no route to {host}")


@bgjobs.worker
async def fine() -> None:
    """End well."""


async def fail_some(bg: bgjobs.BgJobs, *hosts: str) -> list[UUID]:
    jobs = await bg.enqueue_many(broken.request(host) for host in hosts)
    return [(await bg.wait_for(job)).id for job in jobs]


async def test_failed_jobs_are_found_told_and_run_again(app: Harness) -> None:
    async with bgjobs.run(app.config(broken, fine, **BROKEN)) as bg:
        one, other = await fail_some(bg, "alpha.example", "beta.example")
        [found] = await bg.admin.list("failed", search="route beta ex*")
        assert (found.id, found.attempts) == (other, 0)
        assert len(await bg.admin.list("failed", name="broken")) == 2
        assert await bg.admin.list("failed", name="fine") == []
        assert await bg.admin.retry(one, new_id()) == [one]
        again = await bg.wait_for(one)
        assert [error.attempt for error in again.errors] == [1, 1]
        assert again.reservations == 2
        assert await bg.admin.retry_failed(search="alpha") == 1
    assert [(told.action, told.count) for told in app.recorder.of(AdminAction)] == [
        ("retry", 1),
        ("retry_failed", 1),
    ]


async def test_every_state_is_listed_and_counted(sqlite_app: Harness) -> None:
    gate = anyio.Event()

    @bgjobs.worker
    async def stuck() -> None:
        await gate.wait()

    config = sqlite_app.config(stuck, broken, fine, queue={"concurrency": 1, "max_retries": 0})
    async with bgjobs.run(config) as bg:
        await bg.wait_for(await bg.enqueue(fine.request()))
        [failed] = await fail_some(bg, "x")
        running = await bg.enqueue(stuck.request())
        while not await bg.admin.list("running"):
            await anyio.lowlevel.checkpoint()
        waiting = await bg.enqueue(fine.request())
        delayed = await bg.enqueue(fine.request().available_in(hours=1))
        states: dict[bgjobs.State, UUID] = {
            "waiting": waiting.id,
            "delayed": delayed.id,
            "running": running.id,
            "failed": failed,
        }
        for state, expected in states.items():
            assert [job.id for job in await bg.admin.list(state)] == [expected], state
        assert [job.name for job in await bg.admin.list("succeeded", name="fine")] == ["fine"]
        assert await bg.admin.list("running", name="fine") == []
        counts = await bg.admin.count()
        assert counts == bgjobs.Counts(waiting=1, delayed=1, running=1, succeeded=1, failed=1)
        assert (await bg.admin.count(["broken"])).failed == 1
        gate.set()


async def test_what_is_asked_wrongly_is_refused(sqlite_app: Harness) -> None:
    wrong: Any = "finished"
    unknown = new_id()
    async with bgjobs.run(sqlite_app.config(fine)) as bg:
        with pytest.raises(ValueError, match=r"state: expected one of .*, found 'finished'"):
            await bg.admin.list(wrong)
        with pytest.raises(ValueError, match="search: expected none for waiting jobs"):
            await bg.admin.list("waiting", search="x")
        with pytest.raises(
            ValueError, match="expected a word of letters or digits, found '--'"
        ):
            await bg.admin.list("failed", search="--")
        with pytest.raises(UnknownJobError, match=f"no job {unknown}: it was never stored, or"):
            await bg.admin.get(unknown)
        with pytest.raises(ValueError, match="reschedule: expected one of at= and in_="):
            await bg.admin.reschedule(unknown)
        with pytest.raises(ValueError, match="reason: expected a text, found an empty one"):
            await bg.admin.cancel(unknown, reason=" ")
        with pytest.raises(UnknownNameError, match=r"no queue 'defualt'.* mean 'default'"):
            await bg.admin.pause_queue("defualt")
        with pytest.raises(UnknownNameError, match="no scheduled job 'x'"):
            bg.admin.schedule("x")


NO_WORDS = [
    "", " ", "*", '"', "'", "!!!", "--", "\0", "()", "\\", ":*", "&|", "\u0300", "\ud800",
]  # fmt: skip
STRANGE_WORDS = [
    "²", "½*",
    "a\0b", "a OR b", "NEAR(a b)", "a AND", '"a', "a''b", "a:*", "(a", "a*b", "**b**", "a -b",
    "x" * 500, "\U00010400" * 500, "é " * 250, "1 " * 250, "a\ud800b", "%s {0} %(x)s", ":a $1 ?",
]  # fmt: skip


async def test_no_search_is_an_error_of_the_database(app: Harness) -> None:
    async with bgjobs.run(app.config(broken, **BROKEN)) as bg:
        await fail_some(bg, "alpha")
        for text in NO_WORDS:
            with pytest.raises(SearchError, match="search: expected a word of letters or digi"):
                await bg.admin.list("failed", search=text)
            with pytest.raises(SearchError):
                await bg.admin.retry_failed(search=text)
            with pytest.raises(SearchError):
                bg.admin.export_failed(search=text)
        for text in STRANGE_WORDS:
            for name in (None, "broken"):
                assert await bg.admin.list("failed", name=name, search=text) == []
        with pytest.raises(SearchError, match="at most 500 characters, found 501"):
            await bg.admin.list("failed", search="x" * 501)
        assert len(await bg.admin.list("failed", search='"route" (to) alp*')) == 1


async def test_arguments_of_other_types_are_refused_before_anything_happens(
    app: Harness,
) -> None:
    wrong: Any = "nonsense"
    number: Any = 5
    naive = datetime(2030, 1, 1)  # noqa: DTZ001 - the point
    async with bgjobs.run(app.config(broken, fine, **BROKEN)) as bg:
        await fail_some(bg, "alpha")
        job = await bg.enqueue(fine.request().available_in(hours=1))
        admin = bg.admin
        text_of_an_id: Any = str(job.id)
        nothing: Any = None
        cases: list[tuple[Callable[[], Awaitable[object]], str]] = [
            (lambda: bg.find(wrong), "find: expected a UUID, found str"),
            (lambda: bg.find(text_of_an_id), "find: expected a UUID, found str"),
            (lambda: bg.find(nothing), "find: expected a UUID, found None"),
            (lambda: admin.get(wrong), "get: expected a UUID, found str"),
            (lambda: admin.list("failed", search=number), "search: expected str, found int"),
            (lambda: admin.list("failed", name=number), "name: expected str or None, found int"),
            (lambda: admin.count(at_most=wrong), "count: at_most: expected int, found str"),
            (lambda: admin.reschedule(job.id, in_=number), "reschedule: in_: expected a timedelta, found int"),
            (lambda: admin.reschedule(job.id, at=wrong), "reschedule: at: expected a datetime with a time zone, found str"),
            (lambda: admin.retry_failed(before=number), "before: expected a datetime with a time zone, found int"),
            (lambda: admin.retry_failed(name=number), "name: expected str or None, found int"),
            (lambda: admin.retry_failed(progress=number), "progress: expected a plain function, found int"),
            (lambda: admin.cancel_waiting(reason="x", progress=number), "progress: expected a plain function, found int"),
            (lambda: admin.prune(failed_for=number), "prune: failed_for: expected a timedelta, found int"),
            (lambda: admin.prune(succeeded_for=wrong), "prune: succeeded_for: expected a timedelta, found str"),
            (lambda: admin.prune(failed_for=timedelta(0), progress=number), "progress: expected a plain function, found int"),
            (lambda: admin.import_failed(wrong), "import_failed: expected lines, found one str; split it into lines"),
            (lambda: admin.import_failed([], progress=number), "progress: expected a plain function, found int"),
        ]  # fmt: skip
        for call, text in cases:
            with pytest.raises(TypeError) as caught:
                await call()
            assert text in str(caught.value)
        with pytest.raises(TypeError, match="name: expected str or None, found int"):
            admin.export_failed(name=number)
        with pytest.raises(ValueError, match="prune: failed_for: expected 0 seconds or more"):
            await admin.prune(failed_for=timedelta(seconds=-1))
        with pytest.raises(ValueError, match="count: at_most: expected 0 or more, found -1"):
            await admin.count(at_most=-1)
        with pytest.raises(NaiveDatetimeError, match="reschedule: at"):
            await admin.reschedule(job.id, at=naive)
        with pytest.raises(NaiveDatetimeError, match="before"):
            await admin.retry_failed(before=naive)
        assert await bg.find(job.id) == job
        assert len(await admin.list("failed")) == 1


@pytest.mark.parametrize(
    ("limit", "after", "text"),
    [
        ("5", None, "Page: limit: expected int, found str"),
        (True, None, "Page: limit: expected int, found bool"),
        (None, None, "Page: limit: expected int, found None"),
        (5, "nonsense", "Page: after: expected a UUID, found str"),
    ],
)
def test_a_page_of_other_types_is_refused(limit: Any, after: Any, text: str) -> None:
    with pytest.raises(TypeError) as caught:
        bgjobs.Page(limit, after)
    assert str(caught.value) == text


def test_a_page_of_less_than_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Page: limit: expected 0 or more, found -1"):
        bgjobs.Page(-1)


async def test_waiting_jobs_are_cancelled_and_changed(app: Harness) -> None:
    async with bgjobs.run(app.config(fine)) as bg:
        later = fine.request().available_in(hours=1)
        one, other, third = await bg.enqueue_many([later, later, later])
        assert await bg.admin.cancel(one.id, reason="not needed") == bgjobs.Cancellation(
            [one.id], []
        )
        ended = await bg.wait_for(one)
        assert isinstance(ended, FailedJob)
        assert ended.error == "Cancelled: not needed"
        due = datetime(2060, 1, 1, tzinfo=UTC)
        assert await bg.admin.reschedule(other.id, one.id, at=due) == [other.id]
        assert await bg.admin.change_priority(other.id, priority=7) == [other.id]
        changed = await bg.admin.get(other.id)
        assert (changed.available_at, changed.priority) == (due, 7)
        assert await bg.admin.reschedule(other.id, in_=timedelta(0)) == [other.id]
        assert isinstance(await bg.wait_for(other), SucceededJob)
        assert await bg.admin.cancel_waiting(name="fine", reason="enough") == 1
        assert isinstance(await bg.wait_for(third), FailedJob)


async def test_a_handler_is_cancelled_from_another_application(app: Harness) -> None:
    ends: list[str] = []

    @bgjobs.worker
    async def endless() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ends.append("cancelled")

    config, beside = app.config(endless), app.config(endless)
    async with bgjobs.run(config) as bg, bgjobs.administer(beside) as admin:
        job = await bg.enqueue(endless.request())
        while not await admin.list("running"):
            await anyio.lowlevel.checkpoint()
        cancelled = await admin.cancel(job.id, reason="by hand")
        assert (cancelled.ended, cancelled.asked) == ([], [job.id])
        ended = await bg.wait_for(job)
        assert isinstance(ended, FailedJob)
        assert (ended.error, ends) == ("Cancelled: by hand", ["cancelled"])
        [told] = await app.recorder.wait_for(JobCancelled)
        assert (told.queue, told.job.id, told.reason) == ("default", job.id, "by hand")
        # Run again, it is not cancelled again: the order has gone with its end.
        await admin.retry(job.id)
        while not await admin.list("running"):
            await anyio.lowlevel.checkpoint()
        bg.stop(grace=0)


async def test_a_handler_that_returns_all_the_same_has_succeeded(sqlite_app: Harness) -> None:
    running = anyio.Event()

    @bgjobs.worker
    async def stubborn() -> None:
        with anyio.CancelScope(shield=True):
            running.set()
            await sqlite_app.recorder.wait_for(AdminAction)
            await anyio.sleep(0.5)

    async with bgjobs.run(sqlite_app.config(stubborn, fine)) as bg:
        job = await bg.enqueue(stubborn.request())
        await running.wait()
        await bg.admin.cancel(job.id, reason="too late")
        assert isinstance(await bg.wait_for(job), SucceededJob)
        # Its slot goes on as before.
        assert isinstance(await bg.wait_for(await bg.enqueue(fine.request())), SucceededJob)


async def test_a_job_that_waits_for_a_slot_is_cancelled_unstarted(sqlite_app: Harness) -> None:
    gate = anyio.Event()
    started: list[int] = []

    @bgjobs.worker
    async def hold(number: int) -> None:
        started.append(number)
        await gate.wait()

    config = sqlite_app.config(hold, queue={"concurrency": 1})
    async with bgjobs.run(config) as bg:
        first, second = await bg.enqueue_many([hold.request(1), hold.request(2)])
        while not started:
            await anyio.lowlevel.checkpoint()
        await bg.admin.cancel(second.id, first.id, reason="both")
        ended = [await bg.wait_for(job) for job in (first, second)]
        assert {type(job) for job in ended} == {FailedJob}
        assert started == [1]


async def test_a_queue_is_paused_everywhere_and_stays_so(app: Harness) -> None:
    async with bgjobs.run(app.config(fine)):
        """Make the tables."""
    async with bgjobs.administer(app.config(fine)) as admin:
        await admin.pause_queue("default")
        assert await admin.paused_queues() == {"default"}
        async with bgjobs.run(app.config(fine)) as bg:  # it starts paused
            job = await bg.enqueue(fine.request())
            await app.recorder.wait_for(QueuePaused)
            assert bg.queue("default").paused
            bg.queue("default").resume()  # which is about this process only
            assert bg.queue("default").paused
            assert [one.id for one in await admin.list("waiting")] == [job.id]
            await admin.resume_queue("default")
            assert isinstance(await bg.wait_for(job), SucceededJob)
            assert await admin.paused_queues() == frozenset()
            await admin.pause_queue("default")
            await app.recorder.wait_for(QueuePaused, 2)
            await admin.resume_queue("default")
            await app.recorder.wait_for(QueueResumed, 2)


async def test_the_heartbeat_brings_orders_where_nothing_tells_of_them(
    sqlite_app: Harness,
) -> None:
    """As behind a pooler, which passes no notifications on."""
    store = sqlite_app.database.store()
    deaf = Wrapped(store, watch=lambda: None)
    config = sqlite_app.config(fine, store=deaf, lease=3.0, heartbeat_interval=0.1)
    other = sqlite_app.config(fine)
    async with bgjobs.run(config) as bg, bgjobs.administer(other) as admin:
        await admin.pause_queue("default")
        await sqlite_app.recorder.wait_for(QueuePaused)
        assert bg.queue("default").paused


async def test_owners_are_named_with_their_lease(app: Harness) -> None:
    async with bgjobs.run(app.config(fine, lease=30.0)) as bg:
        await bg.wait_for(await bg.enqueue(fine.request()))
        [owner] = await bg.admin.owners()
        assert (owner.name, owner.running) == ("default", 0)
        assert timedelta(0) < owner.lease_left <= timedelta(seconds=30)
    async with bgjobs.administer(app.config(fine)) as admin:
        assert await admin.owners() == []


async def test_failed_jobs_are_exported_pruned_and_imported(app: Harness) -> None:
    async with bgjobs.run(app.config(broken, **BROKEN)) as bg:
        ids = await fail_some(bg, "a", "b", "c")
        before = [await bg.admin.get(one) for one in ids]
        lines = [line async for line in bg.admin.export_failed()]
        seen: list[int] = []
        assert await bg.admin.prune(failed_for=timedelta(0), progress=seen.append) == 3
        assert seen == [3]
        first = await bg.admin.import_failed([*lines, ""])
        assert first == bgjobs.Imported(stored=3, present=0)
        assert await bg.admin.import_failed(lines) == bgjobs.Imported(stored=0, present=3)
        assert [await bg.admin.get(one) for one in ids] == before
        assert len(await bg.admin.list("failed", search="route")) == 3


async def test_an_import_names_the_line_that_cannot_be_read(sqlite_app: Harness) -> None:
    async with bgjobs.run(sqlite_app.config(broken, **BROKEN)) as bg:
        await fail_some(bg, "a")
        [line] = [line async for line in bg.admin.export_failed()]
        for wrong, text in (
            ("no json", "line 2: expected a JSON object, found something else"),
            ('{"format":2}', "line 2: format: expected 1, found another one"),
            (
                line.replace('"name":"broken",', ""),
                "line 2: name: expected a value, found none",
            ),
            (
                line.replace('"id":"', '"id":"x'),
                "line 2: id: expected a UUID, found other text",
            ),
            (line.replace('"broken"', '""'), "line 2: name: expected 1 to 200 characters"),
        ):
            with pytest.raises(ExportedLineError, match=text):
                await bg.admin.import_failed([line, wrong])


async def test_a_retry_of_all_that_is_cut_off_loses_none(
    sqlite_app: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few in each transaction, and cancelled half way: each is failed or runs again."""
    monkeypatch.setattr("bgjobs._runtime.admin.bulk.BATCH", 2)
    async with bgjobs.run(sqlite_app.config(broken, **BROKEN)) as bg:
        ids = await fail_some(bg, *"abcdefg")
        await bg.admin.pause_queue("default")
        await sqlite_app.recorder.wait_for(QueuePaused)
        with anyio.CancelScope() as scope:

            def cut_off(done: int) -> None:
                if done == 4:
                    scope.cancel()

            await bg.admin.retry_failed(progress=cut_off)
        assert scope.cancelled_caught
        waiting = {job.id for job in await bg.admin.list("waiting")}
        failed = {job.id for job in await bg.admin.list("failed")}
        assert (len(waiting), waiting | failed) == (4, set(ids))
        assert await bg.admin.retry_failed() == 3


async def test_administering_runs_nothing_and_migrates_nothing(app: Harness) -> None:
    config = app.config(fine)
    with pytest.raises(SchemaMismatchError, match="found 0"):
        async with bgjobs.administer(config):
            raise AssertionError("it must not start")
    config.store.open()
    assert len(config.store.migrate()) == 5
    config.store.close()
    async with bgjobs.administer(config) as admin:
        job = await admin.enqueue(fine.request())
        assert (await admin.schema()).found == 5
        assert [one.id for one in await admin.list("waiting")] == [job.id]
        assert app.recorder.names()[-1] == JobEnqueued.__name__ or app.recorder.of(JobEnqueued)


async def test_scheduled_jobs_are_seen_and_switched_from_beside(app: Harness) -> None:
    job = bgjobs.ScheduledJob(fine, bgjobs.schedule().at(2, 30).build(), name="nightly")
    config, beside = (app.config(fine, scheduled_jobs=[job]) for _ in range(2))
    async with bgjobs.run(config) as bg, bgjobs.administer(beside) as admin:
        while (await admin.schedules())[0].occurrence is None:
            await anyio.lowlevel.checkpoint()
        [state] = await admin.schedules()
        assert (state.name, state.worker, state.paused) == ("nightly", "fine", False)
        await admin.schedule("nightly").pause()
        [state] = await bg.admin.schedules()
        assert state.paused
        run = await admin.schedule("nightly").trigger()
        assert isinstance(await bg.wait_for(run), SucceededJob)
        await admin.schedule("nightly").resume()
        [state] = await admin.schedules()
        assert not state.paused


async def test_doctor_finds_nothing_wrong_here(app: Harness) -> None:
    async with bgjobs.run(app.config(fine)) as bg:
        findings = await bg.admin.diagnose()
    assert [one for one in findings if one.level == "problem"] == []
    assert "index use" in {one.check for one in findings}
