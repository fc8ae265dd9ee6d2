"""What `retry_on` decides about an error, and which values it refuses."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import Future
from datetime import timedelta
from functools import partial
from random import Random
from typing import Any

import pytest
import trio

from bgjobs._core.outcomes import Discard, RetryPolicy, Snooze
from bgjobs._core.retries import RetryOn, RetryRule, as_rule, decision
from bgjobs._core.workers import worker
from bgjobs.backoff import IMMEDIATE, Constant, Custom, Exponential
from bgjobs.errors import PayloadError, WorkerDefinitionError

NETWORK: RetryRule = (ConnectionError, TimeoutError)


def group(*errors: BaseException) -> BaseException:
    return BaseExceptionGroup("several", errors)


RESET, LATE, BUG = ConnectionResetError("reset"), TimeoutError("late"), KeyError("bug")


@pytest.mark.parametrize(
    ("error", "retried"),
    [
        (RESET, True),
        (LATE, True),
        (BUG, False),
        (SystemExit(3), False),
        (asyncio.CancelledError(), False),
        (group(RESET), True),
        (group(RESET, LATE), True),
        (group(RESET, BUG), False),
        (group(RESET, group(LATE, group(RESET))), True),
        (group(RESET, group(LATE, group(BUG))), False),
    ],
    ids=repr,
)
def test_types_retry_an_error_of_these_types_and_a_group_of_only_such(
    error: BaseException, *, retried: bool
) -> None:
    assert decision(NETWORK, error, 1) is retried


def test_a_system_exit_may_be_listed() -> None:
    assert decision((SystemExit,), SystemExit(3), 1) is True


def test_a_function_gets_the_error_and_the_number_of_the_attempt() -> None:
    asked: list[tuple[BaseException, int]] = []

    def note(error: BaseException, attempt: int) -> bool:
        asked.append((error, attempt))
        return True

    several = group(RESET, LATE)
    for number, error in enumerate((RESET, group(RESET), group(group(LATE)), several), start=1):
        assert decision(note, error, number) is True
    assert asked == [(RESET, 1), (RESET, 2), (LATE, 3), (several, 4)]


YEAR = timedelta(days=365)


@pytest.mark.parametrize(
    ("answer", "decided"),
    [
        (True, True),
        (False, False),
        (timedelta(minutes=5), timedelta(minutes=5)),
        (timedelta(0), timedelta(0)),
        (timedelta(seconds=-1), timedelta(0)),
        (2 * YEAR, YEAR),
        (timedelta.max, YEAR),
    ],
    ids=repr,
)
def test_the_answer_of_a_function_is_the_decision(answer: Any, decided: object) -> None:
    found = decision(lambda *_: answer, RESET, 1)
    assert (type(found), found) == (type(decided), decided)


async def later() -> bool:
    return True


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (None, "NoneType"),
        (1, "int"),
        (0.5, "float"),
        ("yes", "str"),
        (Future[bool](), "Future"),
        (later, "coroutine"),
    ],
)
def test_another_answer_of_a_function_is_an_error_that_names_it(
    answer: Any, found: str
) -> None:
    def decide(error: BaseException, attempt: int) -> Any:
        return answer() if answer is later else answer

    rules: list[tuple[RetryRule, str]] = [
        (decide, decide.__qualname__),
        (partial(decide), "partial"),
    ]
    for rule, name in rules:
        with pytest.raises(TypeError) as caught:
            decision(rule, RESET, 1)
        expected = "expected True, False or a timedelta"
        assert str(caught.value) == f"retry_on {name}: {expected}, found {found}"


def test_what_a_function_raises_is_raised() -> None:
    def exit_now(error: BaseException, attempt: int) -> bool:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        decision(exit_now, RESET, 1)


def choose(error: BaseException, attempt: int) -> bool:
    return True


async def choose_later(error: BaseException, attempt: int) -> bool:
    return True


def choose_lazily(error: BaseException, attempt: int) -> Iterator[bool]:
    yield True


def linear(attempt: int) -> float:
    return 60.0 * attempt


class Chooser:
    def __call__(self, error: BaseException, attempt: int) -> bool:
        return True


@worker
async def other() -> None: ...


def as_worker(**settings: Any) -> Any:
    async def send() -> None: ...

    return worker(**settings)(send)


def test_the_settings_of_a_worker() -> None:
    bare = as_worker()
    assert (bare.max_retries, bare.backoff, bare.retry_on) == (None, None, None)
    accepted: list[tuple[RetryOn, RetryRule]] = [
        (OSError, (OSError,)),
        ([OSError, SystemExit], (OSError, SystemExit)),
        ((PayloadError,), (PayloadError,)),
        (choose, choose),
    ]
    for given, kept in accepted:
        assert as_worker(retry_on=given).retry_on == kept == as_rule(given)
    chooser = Chooser()
    assert as_worker(retry_on=chooser).retry_on is chooser
    assert as_worker(max_retries=0).max_retries == 0
    assert as_worker(max_retries=10**6).max_retries == 10**6
    assert as_worker(backoff=IMMEDIATE).backoff is IMMEDIATE
    assert as_worker(backoff=linear).backoff == Custom(linear)


TYPES = "expected exception types or a plain function, found"
ERROR = "expected a subclass of Exception or SystemExit, found the class"
POLICY = "expected a policy of bgjobs.backoff or a function, found"


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"max_retries": -1}, "max_retries: expected 0 to 1000000, found -1"),
        ({"max_retries": 10**6 + 1}, "max_retries: expected 0 to 1000000, found 1000001"),
        ({"max_retries": 1.5}, "max_retries: expected int, found float"),
        ({"max_retries": True}, "max_retries: expected int, found bool"),
        ({"backoff": 5}, f"backoff: {POLICY} int"),
        ({"backoff": Exponential}, f"backoff: {POLICY} type"),
        ({"backoff": Random}, "backoff: expected a plain function, found the class Random"),
        ({"backoff": later}, "backoff: expected a plain function, found an async one"),
        ({"retry_on": 5}, f"retry_on: {TYPES} int"),
        ({"retry_on": "OSError"}, f"retry_on: {TYPES} str"),
        ({"retry_on": {OSError}}, f"retry_on: {TYPES} set"),
        ({"retry_on": OSError("an instance")}, f"retry_on: {TYPES} OSError"),
        ({"retry_on": choose_later}, f"retry_on: {TYPES} an async one"),
        ({"retry_on": choose_lazily}, f"retry_on: {TYPES} a generator function"),
        ({"retry_on": other}, f"retry_on: {TYPES} an async one"),
        (
            {"retry_on": ()},
            (
                "retry_on: expected at least one exception type, found none; "
                "max_retries=0 never retries"
            ),
        ),
        ({"retry_on": Chooser}, f"retry_on: {ERROR} Chooser"),
        ({"retry_on": int}, f"retry_on: {ERROR} int"),
        ({"retry_on": [OSError, int]}, f"retry_on[1]: {ERROR} int"),
        (
            {"retry_on": [OSError, "OSError"]},
            "retry_on[1]: expected an exception type, found str",
        ),
        ({"retry_on": [[OSError]]}, "retry_on[0]: expected an exception type, found list"),
        ({"retry_on": BaseException}, f"retry_on: {ERROR} BaseException"),
        ({"retry_on": KeyboardInterrupt}, f"retry_on: {ERROR} KeyboardInterrupt"),
        ({"retry_on": [GeneratorExit]}, f"retry_on[0]: {ERROR} GeneratorExit"),
        ({"retry_on": [trio.Cancelled]}, f"retry_on[0]: {ERROR} Cancelled"),
        ({"retry_on": [asyncio.CancelledError]}, f"retry_on[0]: {ERROR} CancelledError"),
        (
            {"retry_on": ExceptionGroup},
            (
                "retry_on: expected the types of exceptions in a group, found the class "
                "ExceptionGroup; a group is retried if all exceptions in it are of such types"
            ),
        ),
        (
            {"retry_on": [Discard]},
            "retry_on[0]: expected the type of an error, found the class Discard",
        ),
        (
            {"retry_on": Snooze},
            "retry_on: expected the type of an error, found the class Snooze",
        ),
    ],
)
def test_a_wrong_setting_of_a_worker_is_refused_by_name(
    settings: dict[str, Any], problem: str
) -> None:
    with pytest.raises(WorkerDefinitionError) as caught:
        as_worker(**settings)
    assert str(caught.value) == f"worker 'send': {problem}"


def test_a_policy_is_overridden_by_values_that_are_not_none() -> None:
    queue = RetryPolicy(max_retries=7, backoff=Constant(1))
    assert queue.overridden(None, None) == queue
    assert queue.overridden(0, None) == RetryPolicy(max_retries=0, backoff=Constant(1))
    assert queue.overridden(None, IMMEDIATE) == RetryPolicy(max_retries=7, backoff=IMMEDIATE)
    assert RetryPolicy() == RetryPolicy(max_retries=3, backoff=Exponential())
