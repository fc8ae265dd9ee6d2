"""`NonBlockingWriter`: the same jobs as by `write`, one at a time, with an answer for each."""

from contextlib import suppress

from attrs import evolve

from bgjobs.errors import StoreError, StoreUnavailableError
from bgjobs.stores.types import Notice
from bgjobs.testing.contract.nonblocking_steps import (
    NO_NOTICE,
    NonBlockingStore,
    answer,
    begin_write,
    calls_of,
    connected_writer,
    new_job,
)
from bgjobs.testing.contract.steps import DAY, NOW, ask, enqueued


def check_nothing_is_sent_before_it_has_connected(store: NonBlockingStore) -> None:
    """`begin` refuses the job and stores nothing; `connect` does nothing before that."""
    writer = calls_of(store).writer
    writer.connect()
    new = new_job()
    assert not writer.begin(new, NO_NOTICE, now=NOW)
    assert store.find(new.id) is None


def check_a_job_is_stored_as_by_write(store: NonBlockingStore) -> None:
    """It is committed when the answer has arrived, and is the same as one of `write`."""
    writer = connected_writer(store)
    for request in (ask("mail", '{"text":"ünïcödé 🦉 \\" \\\\"}'), ask("x" * 200, "[]")):
        new = new_job(request)
        begin_write(writer, new)
        [job] = answer(writer).jobs
        assert store.find(new.id, now=NOW) == job
        [other] = store.write([new_job(request)], now=NOW).jobs
        assert evolve(other, id=job.id) == job


def check_the_store_s_clock_is_used_without_now(store: NonBlockingStore) -> None:
    """As by `write`, the time of the job lies between those of its neighbours."""
    writer = connected_writer(store)
    [before] = store.write([new_job()]).jobs
    assert writer.begin(new_job(), NO_NOTICE)
    [job] = answer(writer).jobs
    [after] = store.write([new_job()]).jobs
    assert before.created_at <= job.created_at == job.available_at <= after.created_at


def check_jobs_that_are_not_plain_are_refused(store: NonBlockingStore) -> None:
    """Those with options, and repeated ones; nothing is stored, and `connect` is not wanted."""
    writer = connected_writer(store)
    refused = [
        new_job(ask(unique_key="k")),
        new_job(ask(available_in=DAY)),
        evolve(new_job(), repeated=True),
    ]
    for new in refused:
        assert not writer.begin(new, NO_NOTICE, now=NOW)
        assert not writer.is_wanted
        assert store.find(new.id, now=NOW) is None


def check_one_write_is_in_progress(store: NonBlockingStore) -> None:
    """Another one is refused until the first has ended; it is not stored."""
    writer, first, second = connected_writer(store), new_job(), new_job()
    begin_write(writer, first)
    assert not writer.begin(second, NO_NOTICE, now=NOW)
    [job] = answer(writer).jobs
    assert job.id == first.id
    assert store.find(second.id, now=NOW) is None
    begin_write(writer, second)
    [job] = answer(writer).jobs
    assert job.id == second.id


def check_a_write_that_was_left_takes_no_answer_of_another(store: NonBlockingStore) -> None:
    """Each job that is waited for is stored; those that were left are stored at most once."""
    writer = connected_writer(store)
    left, awaited = [new_job() for _ in range(5)], [new_job() for _ in range(5)]
    for one, two in zip(left, awaited, strict=True):
        begin_write(writer, one, Notice(frozenset({"mail"})))
        writer.end()
        begin_write(writer, two, Notice(frozenset({"mail"})))
        [job] = answer(writer).jobs
        assert job.id == two.id
    found = [job.id for job in enqueued(store)]
    assert sorted(found) == sorted(one.id for one in [*left, *awaited])


def check_an_id_that_is_stored_is_not_stored_again(store: NonBlockingStore) -> None:
    """The answer is an error; `write` returns the job as it is stored."""
    writer, new = connected_writer(store), new_job()
    [job] = store.write([new], now=NOW).jobs
    begin_write(writer, new)
    try:
        answer(writer)
    except StoreError:
        pass
    else:
        raise AssertionError("expected an error")
    assert [*store.write([new], now=NOW).jobs] == [job] == [*enqueued(store)]


def check_a_write_that_is_aborted_has_an_error_or_its_answer(store: NonBlockingStore) -> None:
    """The wait ends; the job is stored at most once, and the next one can be written."""
    writer = connected_writer(store)
    begin_write(writer, new := new_job())
    writer.abort()
    with suppress(StoreUnavailableError):
        answer(writer)
    assert [job.id for job in enqueued(store)] in ([], [new.id])
    writer = connected_writer(store)
    begin_write(writer, other := new_job())
    [job] = answer(writer).jobs
    assert job.id == other.id


def check_a_closed_store_ends_the_wait(store: NonBlockingStore) -> None:
    """`close` and `open` are possible while a write is in progress, and after it."""
    writer = connected_writer(store)
    begin_write(writer, new_job())
    store.close()
    writer.end()
    store.open()
    writer = connected_writer(store)
    begin_write(writer, new := new_job())
    [job] = answer(writer).jobs
    assert job.id == new.id
