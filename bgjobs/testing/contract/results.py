"""Results: the text that a success stores with its job."""

from uuid import UUID

from bgjobs._core.jobs import Job, SucceededJob
from bgjobs._core.settlements import Succeed
from bgjobs.stores.port import Store
from bgjobs.testing.contract.steps import (
    NOW,
    SECOND,
    fail,
    hold,
    listed,
    requeue,
    start,
    succeed,
    take,
)

_TEXTS = (
    "null",
    "0",
    '""',
    '{"ünïcödé 🦉":[1.5,true,null,"\\" \\\\ \'"]}',
    f'"{"x" * 100_000}"',
)


def _kept(store: Store, job: Job) -> str | None:
    ended = store.find(job.id)
    assert isinstance(ended, SucceededJob)
    assert listed(store, "succeeded")[0] == ended
    return ended.result_json


def _with(job: Job, result: str | None) -> Succeed:
    return Succeed(job.reservation, result)


def check_a_result_is_kept_as_it_is(store: Store) -> None:
    """Any JSON text is read back unchanged, by `find` and by `list`."""
    for text in _TEXTS:
        held = hold(store)
        assert not store.write(settle=[_with(held, text)], now=NOW + SECOND).lost
        assert _kept(store, held) == text


def check_a_success_without_a_result_has_none(store: Store) -> None:
    """None differs from the result null."""
    held = hold(store)
    store.write(settle=[succeed(held)], now=NOW)
    assert _kept(store, held) is None


def check_successes_with_and_without_results_are_written_together(store: Store) -> None:
    """Each job has its own result."""
    held = [hold(store) for _ in range(4)]
    results = ["1", None, "3", None]
    ends = [_with(job, result) for job, result in zip(held, results, strict=True)]
    written = store.write(settle=[*ends, fail(hold(store)), requeue(hold(store))], now=NOW)
    assert not written.lost
    found = {job.id: job.result_json for job in listed(store, "succeeded")}
    assert found == {job.id: one for job, one in zip(held, results, strict=True)}


def check_a_lost_reservation_keeps_no_result(store: Store) -> None:
    """The fence holds for the result, too."""
    held = hold(store)
    store.write(settle=[requeue(held)], now=NOW)
    [again] = take(store, start(store))
    assert [*store.write(settle=[_with(held, '"old"')], now=NOW).lost] == [held.reservation]
    assert isinstance(store.find(held.id), Job)
    assert not store.write(settle=[_with(again, '"new"')], now=NOW).lost
    assert _kept(store, held) == '"new"'


def check_a_repeated_success_keeps_the_first_result(store: Store) -> None:
    """Of two settlements of one reservation in a write, the first counts."""
    held = hold(store)
    written = store.write(settle=[_with(held, "1"), _with(held, "2")], now=NOW)
    assert [*written.lost] == [held.reservation]
    assert _kept(store, held) == "1"


def check_complete_keeps_a_result(store: Store) -> None:
    """`complete` stores a result, or none."""
    for text in (*_TEXTS, None):
        held = hold(store)
        assert store.complete(held.reservation, _nothing, result=text, now=NOW)
        assert _kept(store, held) == text


def check_complete_keeps_the_unique_key_beside_a_result(store: Store) -> None:
    """Neither takes the place of the other."""
    held = hold(store, unique_key="k")
    assert store.complete(held.reservation, _nothing, result='"r"', now=NOW)
    ended = store.find(held.id)
    assert isinstance(ended, SucceededJob)
    assert (ended.unique_key, ended.result_json) == ("k", '"r"')


def check_a_complete_that_was_lost_keeps_no_result(store: Store) -> None:
    """Nothing is stored for a reservation that another owner has taken over."""
    held = hold(store)
    store.write(settle=[requeue(held)], now=NOW)
    owner: UUID = start(store)
    take(store, owner)
    assert not store.complete(held.reservation, _nothing, result="1", now=NOW)
    found = store.find(held.id)
    assert isinstance(found, Job)
    assert found.reserved_by == owner


def _nothing(_: object) -> None:
    """Write nothing."""
