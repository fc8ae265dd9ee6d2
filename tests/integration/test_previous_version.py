"""Processes of the previous version go on beside a schema that this version has migrated.

The previous version has version 5 of the schema. Its notices are in test_postgres_notices.py.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

import bgjobs
from bgjobs._core.history import PastEnd, PastReservation
from bgjobs._core.hooks import HOOK_OWNER
from bgjobs._core.ids import new_id, new_ids
from bgjobs._core.jobs import AnyJob, Job
from bgjobs._core.requests import JobRequest
from bgjobs._core.settlements import Succeed
from bgjobs.stores.types import Cancelled, NewJob, Owner
from bgjobs.testing.contract.steps import fail, listed, requeue
from tests.fixtures.databases import Database
from tests.fixtures.effects import Effects
from tests.fixtures.hostile_rows import HostileRows
from tests.fixtures.previous_version import WORKER, Older, Verb, older_process
from tests.fixtures.stores import MIGRATIONS, migrated, of_version, opened, operator_of

_LEASE = timedelta(minutes=5)


@pytest.fixture
def store(database: Database) -> Iterator[bgjobs.Store]:
    with migrated(database.store()) as store:
        yield store


@pytest.fixture
def older(database: Database, store: bgjobs.Store) -> Iterator[Older]:
    older = older_process(database)
    yield older
    older.close()


def _stored(store: bgjobs.Store) -> UUID:
    [job] = store.write([NewJob(new_id(), JobRequest(WORKER, "{}"))]).jobs
    return job.id


def _reserved(store: bgjobs.Store) -> Job:
    """Reserve the only job that waits, for a new owner of this version."""
    owner = Owner(new_id(), "q", "n")
    store.open_owner(owner, _LEASE)
    [held] = store.reserve(owner.id, [WORKER], 10)
    return held


def _held(store: bgjobs.Store) -> Job:
    _stored(store)
    return _reserved(store)


def _entry(held: Job) -> PastReservation:
    return PastReservation(
        number=held.reservations,
        owner=held.reservation.owner,
        queue="q",
        node="n",
        attempt=1,
        reserved_at=held.created_at,
        ended_at=held.created_at,
        ended="snoozed",
    )


def _found(store: bgjobs.Store, job_id: UUID) -> AnyJob:
    found = store.find(job_id)
    assert found is not None
    return found


def test_every_statement_runs(older: Older) -> None:
    """None names a column or a table that is gone, or leaves out one that has to be given."""
    assert len(older.texts) > 80
    for name in older.texts:
        older.undone(name)


def test_it_enqueues_runs_ends_and_retries_jobs(store: bgjobs.Store, older: Older) -> None:
    owner, ids = new_id(), new_ids(4)
    older.open_owner(owner)
    assert older.is_renewed(owner)
    older.enqueue(*ids)
    assert {job.id for job in listed(store, "waiting")} == set(ids)
    assert older.reserve(owner) == set(ids)
    verbs: tuple[Verb, ...] = ("succeed", "fail", "drop", "requeue")
    for verb, job_id in zip(verbs, ids, strict=True):
        assert older.settle(verb, owner, job_id)
        assert not older.settle(verb, owner, job_id)
    states = [getattr(store.find(job_id), "state", None) for job_id in ids]
    assert states == ["succeeded", "failed", None, "waiting"]
    assert older.counted() == 3
    assert older.retry(ids[1])
    assert _found(store, ids[1]).state == "waiting"


def test_each_version_runs_what_the_other_stored(store: bgjobs.Store, older: Older) -> None:
    theirs, ours, owner = new_id(), _stored(store), new_id()
    older.open_owner(owner)
    assert older.reserve(owner) == {ours}
    older.enqueue(theirs)
    held = _reserved(store)
    assert held.id == theirs
    assert not older.settle("succeed", owner, theirs)
    assert store.write(settle=[Succeed(held.reservation)]).lost == []
    assert older.settle("succeed", owner, ours)
    assert {job.id for job in listed(store, "succeeded")} == {theirs, ours}


def test_the_name_of_its_queue_is_known_until_it_deletes_the_owner(
    store: bgjobs.Store, older: Older
) -> None:
    """It deletes owners, also those of others whose lease has ended, and keeps no names."""
    owner = new_id()
    older.open_owner(owner)
    assert [one.id for one in store.find_owners([owner])] == [owner]
    older.close_owner(owner)
    assert list(store.find_owners([owner])) == []


@pytest.mark.parametrize("verb", ["requeue", "fail", "succeed"])
def test_a_history_stays_as_it_is_until_the_older_version_ends_the_job(
    store: bgjobs.Store, older: Older, verb: Verb
) -> None:
    _stored(store)
    held = _reserved(store)
    store.write(settle=[requeue(held, history=(_entry(held),))])
    owner = new_id()
    older.open_owner(owner)
    assert older.reserve(owner) == {held.id}
    assert older.settle(verb, owner, held.id, number=2)
    found = _found(store, held.id)
    assert found.history == ((_entry(held),) if verb == "requeue" else ())
    assert len(found.errors) == (verb != "succeed")


@pytest.mark.parametrize("verb", ["requeue", "fail", "succeed"])
def test_a_progress_stays_as_it_is_until_the_older_version_ends_the_job(
    store: bgjobs.Store, older: Older, database: Database, verb: Verb
) -> None:
    job_id, owner = _stored(store), new_id()
    # Half of what there is to do, as the text that `dump_progress` writes.
    HostileRows(database).change("jobs", {"progress": "[1,2,null,0]"})
    older.open_owner(owner)
    assert older.reserve(owner) == {job_id}
    assert older.settle(verb, owner, job_id)
    progress = _found(store, job_id).progress
    assert (progress is not None and progress.fraction) == (0.5 if verb == "requeue" else False)


def test_what_it_runs_has_no_result(store: bgjobs.Store, older: Older) -> None:
    job_id, owner = _stored(store), new_id()
    older.open_owner(owner)
    assert older.reserve(owner) == {job_id}
    assert older.settle("succeed", owner, job_id)
    ended = _found(store, job_id)
    assert isinstance(ended, bgjobs.SucceededJob)
    with pytest.raises(TypeError, match="no result was kept"):
        _ = ended.result
    store.write(settle=[Succeed(_held(store).reservation, '"r"')])
    assert older.counted() == 2


@pytest.mark.parametrize("is_retried_by_older", [True, False])
def test_a_retry_by_the_older_version_drops_the_history(
    store: bgjobs.Store, older: Older, is_retried_by_older: bool
) -> None:
    _stored(store)
    held = _reserved(store)
    end = fail(held, history=(_entry(held),))
    store.write(settle=[end])
    if is_retried_by_older:
        assert older.retry(held.id)
        assert _found(store, held.id).history == ()
    else:
        assert operator_of(store).retry([held.id], by="ada") == [held.id]
        [entry, retried] = _found(store, held.id).history
        assert entry == _entry(held)
        assert isinstance(retried, PastEnd)
        assert retried.retried_by == "ada"


def test_it_neither_finds_nor_counts_nor_retries_cancelled_jobs(
    store: bgjobs.Store, older: Older
) -> None:
    job_id = _stored(store)
    assert operator_of(store).cancel([job_id], Cancelled("no", "ada")).ended == [job_id]
    assert not older.finds(job_id)
    assert older.counted() == 0
    assert not older.retry(job_id)
    assert operator_of(store).retry([job_id]) == [job_id]
    assert older.finds(job_id)


def test_what_it_cancels_is_stored_as_failed(store: bgjobs.Store, older: Older) -> None:
    waiting = _stored(store)
    older.cancel(waiting, "no")
    running, owner = _stored(store), new_id()
    older.open_owner(owner)
    assert older.reserve(owner) == {running}
    older.cancel(running, "stop")
    assert older.commands(owner) == {running: "stop"}
    assert older.settle("requeue", owner, running)
    for job_id, error in ((waiting, "Cancelled: no"), (running, "Cancelled: stop")):
        found = _found(store, job_id)
        assert isinstance(found, bgjobs.FailedJob)
        assert found.error == error
    assert listed(store, "cancelled") == []


def test_a_command_of_this_version_reaches_a_job_that_the_older_one_runs(
    store: bgjobs.Store, older: Older
) -> None:
    job_id, owner = _stored(store), new_id()
    older.open_owner(owner)
    assert older.reserve(owner) == {job_id}
    asked = operator_of(store).cancel([job_id], Cancelled("stop", "ada")).asked
    assert asked == [job_id]
    assert older.commands(owner) == {job_id: "stop"}
    assert older.settle("requeue", owner, job_id)
    found = _found(store, job_id)
    assert isinstance(found, bgjobs.FailedJob)
    assert found.error == "Cancelled: stop"


def test_a_command_of_the_older_version_reaches_a_job_that_this_one_runs(
    store: bgjobs.Store, older: Older
) -> None:
    _stored(store)
    held = _reserved(store)
    owner, operations = held.reservation.owner, operator_of(store)
    older.cancel(held.id, "no")
    assert operations.commands([owner]).cancelled == {held.id: Cancelled("no")}
    assert store.write(settle=[requeue(held)]).cancelled == {held.reservation: Cancelled("no")}
    [found] = listed(store, "cancelled")
    assert (found.id, found.reason, found.cancelled_by) == (held.id, "no", None)


def test_a_write_that_it_repeats_stores_a_cancelled_job_again(
    store: bgjobs.Store, older: Older
) -> None:
    """It repeats a write whose answer was lost, and does not look for cancelled jobs then."""
    job_id = new_id()
    older.enqueue(job_id)
    operator_of(store).cancel([job_id], Cancelled("no"))
    older.enqueue(job_id)
    assert _reserved(store).id == job_id


def test_its_command_replaces_the_reason_of_an_earlier_one_but_not_the_author(
    store: bgjobs.Store, older: Older
) -> None:
    _stored(store)
    held = _reserved(store)
    operations = operator_of(store)
    assert operations.cancel([held.id], Cancelled("first", "ada")).asked == [held.id]
    older.cancel(held.id, "second")
    commands = operations.commands([held.reservation.owner])
    assert commands.cancelled == {held.id: Cancelled("second", "ada")}


def test_both_pause_the_same_queues(store: bgjobs.Store, older: Older) -> None:
    operations = operator_of(store)
    assert older.run("pause_queue", name="mails") == [("mails",)]
    assert operations.commands([]).paused == {"mails"}
    assert operations.resume_queue("mails")
    assert older.run("resume_queue", name="mails") == []


def _with_function(effects: Effects) -> Any:
    """Return a worker of this version whose function notes how jobs have ended."""

    @bgjobs.worker(name=WORKER)
    async def mail() -> None:
        effects.handled.append(WORKER)

    mail.on_failure(cancelled=True)(effects.note)
    return mail


def _application(database: Database, mail: Any) -> bgjobs.Config:
    queue = bgjobs.Queue("mails", workers=[mail], poll_interval=0.05)
    return bgjobs.Config(store=database.store(), queues=[queue])


@pytest.mark.anyio
@pytest.mark.parametrize("is_cancelled_while_it_waits", [True, False])
async def test_it_leaves_marked_jobs_alone(
    database: Database,
    store: bgjobs.Store,
    older: Older,
    effects: Effects,
    is_cancelled_while_it_waits: bool,
) -> None:
    """It takes such a job for a running one whose owner is alive."""
    operations, owner, before = operator_of(store), new_id(), new_id()
    operations.register_hooks({WORKER: True})
    older.open_owner(owner)
    older.open_owner(before)
    job_id = _stored(store)
    if is_cancelled_while_it_waits:
        assert operations.cancel([job_id], Cancelled("ours")).asked == [job_id]
    else:
        assert older.reserve(before) == {job_id}
        held = _found(store, job_id)
        assert isinstance(held, Job)
        assert operations.mark_end(fail(held, "ours"))
        assert not older.settle("requeue", before, job_id)
    older.close_owner(before)
    assert older.reserve(owner) == set()
    assert older.abandoned() == set()
    older.cancel(job_id, "theirs")
    assert older.commands(HOOK_OWNER) == {job_id: "theirs"}
    assert older.commands(owner) == {}
    marked = _found(store, job_id)
    assert (marked.state, marked.reserved_by) == ("running", HOOK_OWNER)
    assert effects.calls == 0
    async with bgjobs.run(_application(database, _with_function(effects))) as bg:
        ended = await bg.wait_for(job_id)
    expected = "cancelled" if is_cancelled_while_it_waits else "failed"
    assert ended.state == expected
    assert effects.noted() == [(str(job_id), expected)]
    assert (effects.calls, effects.handled) == (1, [])
    assert ended.reserved_by == (None if is_cancelled_while_it_waits else before)
    assert not older.settle("requeue", before, job_id)


@pytest.mark.anyio
async def test_what_it_fails_calls_no_function(
    database: Database, store: bgjobs.Store, older: Older, effects: Effects
) -> None:
    """It does not read which workers are registered, and marks no ends."""
    operations, owner = operator_of(store), new_id()
    operations.register_hooks({WORKER: True})
    older.open_owner(owner)
    failed, cancelled, waiting = _stored(store), _stored(store), _stored(store)
    assert older.reserve(owner) == {failed, cancelled, waiting}
    assert older.settle("requeue", owner, waiting)
    assert older.settle("fail", owner, failed)
    older.cancel(waiting, "no")
    assert operations.cancel([cancelled], Cancelled("no")).asked == [cancelled]
    assert older.settle("requeue", owner, cancelled)
    ended = {failed, cancelled, waiting}
    assert {job.id for job in listed(store, "failed")} == ended
    assert operations.commands([]).marked == frozenset()
    mail = _with_function(effects)
    async with bgjobs.run(_application(database, mail)) as bg:
        assert (await bg.wait_for(await bg.enqueue(mail.request()))).state == "succeeded"
    assert {job.id for job in listed(store, "failed")} == ended
    assert (effects.calls, effects.noted()) == (0, [])


@pytest.fixture
def earlier(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[bgjobs.Store]:
    """A database before version 5, which set rows beyond the bounds apart."""
    with of_version(4, database.store(), monkeypatch) as store:
        yield store


def test_it_goes_on_while_a_migration_sets_rows_apart(
    database: Database, earlier: bgjobs.Store
) -> None:
    """It opened the store before, and does not know the table of unreadable rows."""
    older, rows, owner = older_process(database), HostileRows(database, WORKER), new_id()
    older.open_owner(owner)
    bad = rows.insert(reservations=2**31 - 2)
    good, held_bad = rows.insert(), rows.insert(attempts=2**31 - 1)
    assert older.reserve(owner) >= {good, held_bad}
    with opened(database.store()) as newer:
        assert newer.migrate() == MIGRATIONS[4:]
        apart = {UUID(str(one.columns["id"])) for one in listed(newer, "unreadable")}
    assert apart == {bad, held_bad}
    assert older.settle("succeed", owner, good)
    assert not older.settle("succeed", owner, held_bad)
    again = new_id()
    older.enqueue(again)
    assert older.reserve(owner) == {again}
    assert older.is_renewed(owner)
    older.close()
