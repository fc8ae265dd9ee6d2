"""`NonBlockingWriter`: the same jobs as by `write`, one at a time, with an answer for each."""

import select
from contextlib import suppress
from typing import Protocol

from attrs import evolve

from bgjobs._core.ids import new_id
from bgjobs._core.requests import JobRequest
from bgjobs.errors import StoreError, StoreUnavailableError
from bgjobs.stores.nonblocking_writer import NonBlockingWriter
from bgjobs.stores.port import Store
from bgjobs.stores.types import NewJob, Notice, Written
from bgjobs.testing.contract.steps import DAY, NOW, ask, enqueued

_PATIENCE = 30.0
"""Seconds to wait for an answer."""


class NonBlockingStore(Store, Protocol):
    """A store that has a `NonBlockingWriter`."""

    @property
    def nonblocking(self) -> NonBlockingWriter | None:
        """What writes jobs without a thread."""
        ...


def _new(request: JobRequest | None = None) -> NewJob:
    return NewJob(new_id(), request or ask())


def connected(store: NonBlockingStore) -> NonBlockingWriter:
    """Return the writer of a store, after it has connected."""
    writer = store.nonblocking
    assert writer is not None
    assert not writer.begin(_new(), Notice(), now=NOW)
    assert writer.is_wanted
    writer.connect()
    assert not writer.is_wanted
    return writer


def answer(writer: NonBlockingWriter) -> Written:
    """Wait for the answer to the write in progress, and end it."""
    try:
        while True:
            readable, _, _ = select.select([writer.fileno()], [], [], _PATIENCE)
            assert readable, "no answer"
            if (written := writer.receive()) is not None:
                return written
    finally:
        writer.end()


def begin(writer: NonBlockingWriter, new: NewJob, notice: Notice | None = None) -> None:
    """Begin a write as soon as an earlier one that was left has its answer."""
    for _ in range(1000):
        if writer.begin(new, notice or Notice(), now=NOW):
            return
        select.select([], [], [], 0.01)
    raise AssertionError("the writer did not become free")


def check_nothing_is_sent_before_it_has_connected(store: NonBlockingStore) -> None:
    """`begin` refuses the job and stores nothing; `connect` does nothing before that."""
    writer = store.nonblocking
    assert writer is not None
    writer.connect()
    new = _new()
    assert not writer.begin(new, Notice(), now=NOW)
    assert store.find(new.id) is None


def check_a_job_is_stored_as_by_write(store: NonBlockingStore) -> None:
    """It is committed when the answer has arrived, and is the same as one of `write`."""
    writer = connected(store)
    for request in (ask("mail", '{"text":"ünïcödé 🦉 \\" \\\\"}'), ask("x" * 200, "[]")):
        new = _new(request)
        begin(writer, new)
        [job] = answer(writer).jobs
        assert store.find(new.id, now=NOW) == job
        [other] = store.write([_new(request)], now=NOW).jobs
        assert evolve(other, id=job.id) == job


def check_the_store_s_clock_is_used_without_now(store: NonBlockingStore) -> None:
    """As by `write`, the time of the job lies between those of its neighbours."""
    writer = connected(store)
    [before] = store.write([_new()]).jobs
    assert writer.begin(_new(), Notice())
    [job] = answer(writer).jobs
    [after] = store.write([_new()]).jobs
    assert before.created_at <= job.created_at == job.available_at <= after.created_at


def check_jobs_that_are_not_plain_are_refused(store: NonBlockingStore) -> None:
    """Those with options, and repeated ones; nothing is stored, and `connect` is not wanted."""
    writer = connected(store)
    refused = [
        _new(ask(unique_key="k")),
        _new(ask(available_in=DAY)),
        evolve(_new(), repeated=True),
    ]
    for new in refused:
        assert not writer.begin(new, Notice(), now=NOW)
        assert not writer.is_wanted
        assert store.find(new.id, now=NOW) is None


def check_one_write_is_in_progress(store: NonBlockingStore) -> None:
    """Another one is refused until the first has ended; it is not stored."""
    writer, first, second = connected(store), _new(), _new()
    begin(writer, first)
    assert not writer.begin(second, Notice(), now=NOW)
    [job] = answer(writer).jobs
    assert job.id == first.id
    assert store.find(second.id, now=NOW) is None
    begin(writer, second)
    [job] = answer(writer).jobs
    assert job.id == second.id


def check_a_write_that_was_left_takes_no_answer_of_another(store: NonBlockingStore) -> None:
    """Each job that is waited for is stored; those that were left are stored at most once."""
    writer = connected(store)
    left, awaited = [_new() for _ in range(5)], [_new() for _ in range(5)]
    for one, two in zip(left, awaited, strict=True):
        begin(writer, one, Notice(frozenset({"mail"})))
        writer.end()
        begin(writer, two, Notice(frozenset({"mail"})))
        [job] = answer(writer).jobs
        assert job.id == two.id
    found = [job.id for job in enqueued(store)]
    assert sorted(found) == sorted(one.id for one in [*left, *awaited])


def check_an_id_that_is_stored_is_not_stored_again(store: NonBlockingStore) -> None:
    """The answer is an error; `write` returns the job as it is stored."""
    writer, new = connected(store), _new()
    [job] = store.write([new], now=NOW).jobs
    begin(writer, new)
    try:
        answer(writer)
    except StoreError:
        pass
    else:
        raise AssertionError("expected an error")
    assert [*store.write([new], now=NOW).jobs] == [job] == [*enqueued(store)]


def check_a_write_that_is_aborted_has_an_error_or_its_answer(store: NonBlockingStore) -> None:
    """The wait ends; the job is stored at most once, and the next one can be written."""
    writer = connected(store)
    begin(writer, new := _new())
    writer.abort()
    with suppress(StoreUnavailableError):
        answer(writer)
    assert [job.id for job in enqueued(store)] in ([], [new.id])
    writer = connected(store)
    begin(writer, other := _new())
    [job] = answer(writer).jobs
    assert job.id == other.id


def check_a_closed_store_ends_the_wait(store: NonBlockingStore) -> None:
    """`close` and `open` are possible while a write is in progress, and after it."""
    writer = connected(store)
    begin(writer, _new())
    store.close()
    writer.end()
    store.open()
    writer = connected(store)
    begin(writer, new := _new())
    [job] = answer(writer).jobs
    assert job.id == new.id
