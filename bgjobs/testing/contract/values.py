"""Values at the edge of what may be stored."""
# ruff: noqa: D401 - the docstring of a check goes on where its name ends

import json
from datetime import UTC, datetime

from bgjobs._core.jobs import AttemptError, FailedJob, SucceededJob
from bgjobs.stores.port import Store
from bgjobs.testing.contract.steps import (
    ERROR,
    NOW,
    ask,
    fail,
    hold,
    put,
    put_one,
    requeue,
    start,
    succeed,
    take,
)

_AWKWARD = "ünïcödé \U0001f989 ' \" \\ \n\t %s {x} $1 :name ; -- 'x'"
_LARGE = 1 << 20  # 1 MiB


def check_awkward_text_is_kept(store: Store) -> None:
    """In names, payloads and unique keys: quotes, signs of SQL, any script."""
    payload = json.dumps([_AWKWARD], ensure_ascii=False)
    job = put(store, ask(_AWKWARD, payload, unique_key=_AWKWARD))[0]
    assert store.find(job.id) == job
    [held] = take(store, start(store), [_AWKWARD])
    assert (held.name, held.payload, held.unique_key) == (_AWKWARD, payload, _AWKWARD)
    assert not store.write(settle=[succeed(held)], now=NOW).lost
    assert [one.payload for one in store.get_succeeded(_AWKWARD)] == [payload]


def check_a_payload_is_kept_letter_for_letter(store: Store) -> None:
    """It is text: no other spacing, order or spelling of numbers."""
    payload = '{ "b":1.0,  "a":[1e3,"\\u00e4",12345678901234567890] }'
    put(store, ask(payload=payload))
    assert take(store, start(store))[0].payload == payload


def check_a_mebibyte_of_payload_is_kept(store: Store) -> None:
    """Through every table that it passes."""
    payload = json.dumps("ä" * (_LARGE // 2 - 1), ensure_ascii=False)
    put(store, ask(payload=payload))
    [held] = take(store, start(store))
    assert held.payload == payload
    store.write(settle=[succeed(held)], now=NOW)
    ended = store.find(held.id)
    assert isinstance(ended, SucceededJob)
    assert ended.payload == payload


def check_error_texts_are_kept(store: Store) -> None:
    """The reason of a failed job and the errors of its attempts."""
    errors = (ERROR, AttemptError(1, NOW, _AWKWARD), AttemptError(2, NOW, "x" * 8192))
    held = hold(store)
    store.write(settle=[fail(held, _AWKWARD, attempts=3, errors=errors)], now=NOW)
    ended = store.find(held.id)
    assert isinstance(ended, FailedJob)
    assert ended.error == _AWKWARD
    assert ended.errors == errors


def check_errors_survive_being_put_back(store: Store) -> None:
    """They go along with the job."""
    held = hold(store)
    store.write(settle=[requeue(held, attempts=1, errors=(ERROR,))], now=NOW)
    [again] = take(store, start(store))
    assert again.errors == (ERROR,)


def check_the_widest_priorities_are_kept(store: Store) -> None:
    """Both ends of the small integer."""
    low, high = put(store, ask(priority=32_767), ask(priority=-32_767))
    assert (low.priority, high.priority) == (32_767, -32_767)
    assert [job.id for job in take(store, start(store))] == [high.id, low.id]


def check_the_longest_unique_key_is_kept(store: Store) -> None:
    """200 characters, of four bytes each."""
    key = "\U0001f989" * 200
    assert put_one(store, unique_key=key).unique_key == key


def check_far_instants_are_kept(store: Store) -> None:
    """Before 1970 and in the year 9999, to the microsecond."""
    old = datetime(1901, 2, 3, 4, 5, 6, 7, tzinfo=UTC)
    far = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
    jobs = put(store, ask(available_at=old), ask(available_at=far))
    assert [job.available_at for job in jobs] == [old, far]
    assert list(store.get_enqueued()) == list(jobs)


def check_metadata_is_kept_to_the_end(store: Store) -> None:
    """Through every table that the job passes; none is an empty mapping."""
    told = (("color", _AWKWARD), ("traceparent", "00-1-2-01"))
    good, bad, plain = put(store, ask(metadata=told), ask(metadata=told), ask())
    assert (good.metadata, plain.metadata) == (dict(told), {})
    held = {job.id: job for job in take(store, start(store))}
    assert held[good.id].metadata == dict(told)
    store.write(settle=[requeue(held[good.id])], now=NOW)
    [held[good.id]] = take(store, start(store))
    store.write(settle=[succeed(held[good.id]), fail(held[bad.id])], now=NOW)
    ended = [store.find(good.id), store.find(bad.id)]
    assert [job and job.metadata for job in ended] == [dict(told)] * 2
