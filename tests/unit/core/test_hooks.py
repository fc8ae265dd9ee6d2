"""`on_failure` at the declaration: what is accepted, what is refused, and with which error."""

import copy
import functools
import pickle
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

import bgjobs
from bgjobs._core.ids import new_id
from bgjobs._core.jobs import Reservation
from bgjobs._core.settlements import Cancel, Drop, Fail, Requeue, Settlement, Succeed
from bgjobs.errors import WorkerDefinitionError

HELD = Reservation(new_id(), new_id(), 1)
COUNTED: dict[str, Any] = {
    "reservation": HELD,
    "attempts": 1,
    "crashes": 0,
    "interruptions": 0,
}
SETTLEMENTS: tuple[Settlement, ...] = (
    Fail(error="no", **COUNTED),
    Cancel(reason="no", by=None, **COUNTED),
    Succeed(HELD),
    Drop(HELD),
    Requeue(**COUNTED),
)
WANTED = "on_failure: expected a plain function of a connection and a job, found "


def a_worker() -> bgjobs.Worker[[str], Any]:
    @bgjobs.worker
    async def send(to: str) -> None: ...

    return send


def note(connection: Any, job: bgjobs.FailedJob | bgjobs.CancelledJob) -> None: ...


@bgjobs.worker
async def tell(to: str) -> None: ...


@tell.on_failure
def tell_of_failure(connection: Any, job: bgjobs.FailedJob) -> None: ...


def test_it_returns_the_function_itself_bare_and_with_settings() -> None:
    for is_bare, settings in ((True, {}), (False, {}), (False, {"cancelled": False})):
        send: Any = a_worker()
        decorator = send.on_failure if is_bare else send.on_failure(**settings)
        assert decorator(note) is note
        assert send.failure_hook.function is note
        assert send.failure_hook.on_cancelled is False
    send = a_worker()
    assert send.on_failure(cancelled=True)(note) is note
    assert (send.failure_hook.function, send.failure_hook.on_cancelled) == (note, True)
    assert a_worker().failure_hook is None


@pytest.mark.parametrize("cancelled", [False, True])
def test_it_covers_failures_and_cancellations_only_if_asked(cancelled: bool) -> None:
    send: Any = a_worker()
    send.on_failure(cancelled=cancelled)(note)
    covered = [one for one in SETTLEMENTS if send.failure_hook.covers(one)]
    assert covered == list(SETTLEMENTS[: 2 if cancelled else 1])


class Mail:
    """An object with functions that are accepted."""

    def note(self, connection: Any, job: Any) -> None: ...

    def __call__(self, connection: Any, job: Any) -> None: ...

    async def deferred(self, connection: Any, job: Any) -> None: ...


def of_an_address(address: str, connection: Any, job: Any) -> None: ...


def of_any_number(*given: Any) -> None: ...


def of_more(connection: Any, job: Any, box: str = "", *, by: str = "", **more: Any) -> None: ...


RIGHT: list[Any] = [
    note,
    Mail(),
    Mail().note,
    print,
    getattr,
    functools.partial(of_an_address, "a"),
    of_any_number,
    of_more,
]


@pytest.mark.parametrize("function", RIGHT)
def test_everything_that_takes_two_arguments_is_accepted(function: Any) -> None:
    """A builtin without a signature is, too: it cannot be inspected."""
    send: Any = a_worker()
    assert send.on_failure(function) is function
    assert send.failure_hook.function is function


async def deferred(connection: Any, job: Any) -> None: ...


def lazy(connection: Any, job: Any) -> Iterator[None]:
    yield


async def lazy_and_deferred(connection: Any, job: Any) -> AsyncIterator[None]:
    yield


def of_nothing() -> None: ...


def of_a_job(job: Any) -> None: ...


def of_three(connection: Any, job: Any, box: str) -> None: ...


def by_keyword(connection: Any, *, job: Any) -> None: ...


WRONG: list[tuple[Any, str]] = [
    (deferred, "an async one"),
    (functools.partial(deferred), "an async one"),
    (Mail().deferred, "an async one"),
    (tell, "an async one"),
    (lazy, "a generator function"),
    (lazy_and_deferred, "a generator function"),
    (Mail, "the class Mail"),
    (5, "int"),
    ("note", "str"),
    (of_nothing, "of_nothing() -> None"),
    (of_a_job, "of_a_job(job: Any) -> None"),
    (of_three, "of_three(connection: Any, job: Any, box: str) -> None"),
    (by_keyword, "by_keyword(connection: Any, *, job: Any) -> None"),
    (
        functools.partial(Mail().note, "box"),
        "one(job: Any) -> None",
    ),
]


def message_of(call: Callable[..., Any], *given: Any, **settings: Any) -> str:
    with pytest.raises(WorkerDefinitionError) as caught:
        call(*given, **settings)
    return str(caught.value)


@pytest.mark.parametrize(("function", "found"), WRONG)
def test_what_is_no_plain_function_of_two_arguments_is_refused(
    function: Any, found: str
) -> None:
    """It registers nothing, and a right one may follow."""
    send: Any = a_worker()
    for decorator in (send.on_failure, send.on_failure(), send.on_failure(cancelled=True)):
        assert message_of(decorator, function) == f"worker 'send': {WANTED}{found}"
        assert send.failure_hook is None
    assert send.on_failure(note) is note


def test_a_second_function_is_refused_and_the_first_one_stays() -> None:
    send: Any = a_worker()
    earlier = send.on_failure(cancelled=True)
    send.on_failure(note)
    for decorator in (send.on_failure, send.on_failure(cancelled=True), earlier):
        for function in (note, Mail().note):
            assert message_of(decorator, function) == (
                "worker 'send': on_failure: expected one function, found a second one"
            )
    assert (send.failure_hook.function, send.failure_hook.on_cancelled) == (note, False)


@pytest.mark.parametrize(("wrong", "found"), [("x", "str"), (1, "int"), (None, "NoneType")])
def test_a_setting_that_is_neither_true_nor_false_is_refused(wrong: Any, found: str) -> None:
    send: Any = a_worker()
    text = f"worker 'send': on_failure: cancelled: expected True or False, found {found}"
    assert message_of(send.on_failure, cancelled=wrong) == text
    assert message_of(send.on_failure, note, cancelled=wrong) == text
    assert send.failure_hook is None


def test_a_worker_with_a_function_is_pickled_by_its_name_and_copied_as_itself() -> None:
    assert tell.failure_hook is not None
    assert tell.failure_hook.function is tell_of_failure
    assert pickle.loads(pickle.dumps(tell)) is tell
    assert copy.copy(tell) is tell
    assert copy.deepcopy([tell]) == [tell]
    assert pickle.loads(pickle.dumps(tell_of_failure)) is tell_of_failure
