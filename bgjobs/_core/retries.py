"""Whether and when a job is retried after its handler raised.

`retry_on` of a worker decides right after the attempt, so that nothing keeps the exception: its
decision is a part of the outcome, which `outcomes.settle` settles by a `RetryPolicy`.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any, TypeAlias, TypeGuard

from bgjobs._core.exceptions import leaves, unwrapped
from bgjobs._core.lazy import close_coroutines, kind_if_not_plain
from bgjobs._core.outcomes import Discard, Snooze
from bgjobs._core.problems import backoff_problems, whole_problems
from bgjobs.backoff import LONGEST, Backoff, BackoffSetting, as_backoff

MOST_RETRIES = 1_000_000
"""The largest `max_retries`."""

RetryType: TypeAlias = type[Exception] | type[SystemExit]
RetryFunction: TypeAlias = Callable[[BaseException, int], bool | timedelta]
RetryOn: TypeAlias = RetryType | Sequence[RetryType] | RetryFunction
"""What the setting accepts."""
RetryRule: TypeAlias = tuple[RetryType, ...] | RetryFunction
"""What a worker has."""


def decision(rule: RetryRule, error: BaseException, attempt: int) -> bool | timedelta:
    """Return whether to retry after `error`, or after which delay.

    Raises what the function raises, and `TypeError` if its answer has another type.
    """
    if isinstance(rule, tuple):
        return all(isinstance(one, rule) for one in leaves(error))
    answer: Any = rule(unwrapped(error), attempt)  # untyped callers may return anything
    if isinstance(answer, timedelta):
        return min(max(answer, timedelta(0)), LONGEST)
    if isinstance(answer, bool):
        return answer
    close_coroutines(answer)
    name = getattr(rule, "__qualname__", type(rule).__qualname__)
    found = type(answer).__name__
    raise TypeError(f"retry_on {name}: expected True, False or a timedelta, found {found}")


def as_optional_backoff(setting: BackoffSetting | None) -> Backoff | None:
    """Return the policy of a setting that may be None; see `as_backoff`."""
    return None if setting is None else as_backoff(setting)


def as_rule(setting: RetryOn | None) -> RetryRule | None:
    """Return a setting as a worker has it, after `retry_problems` found it right."""
    if isinstance(setting, type):
        return (setting,)
    return setting if setting is None or callable(setting) else tuple(setting)


def retry_problems(
    max_retries: object, backoff: object, retry_on: object = None
) -> Iterator[str]:
    """Yield what is wrong with settings that may be None."""
    if max_retries is not None:
        yield from whole_problems("max_retries", max_retries, least=0, most=MOST_RETRIES)
    if backoff is not None:
        yield from backoff_problems("backoff", backoff)
    if retry_on is not None:
        yield from _rule_problems(retry_on)


def _rule_problems(setting: object) -> Iterator[str]:
    if isinstance(setting, type):
        yield from _type_problems("retry_on", setting)
    elif _is_several(setting) and not callable(setting):
        if not setting:
            expected = "expected at least one exception type"
            yield f"retry_on: {expected}, found none; max_retries=0 never retries"
        for position, one in enumerate(setting):
            yield from _type_problems(f"retry_on[{position}]", one)
    elif found := kind_if_not_plain(setting):
        yield f"retry_on: expected exception types or a plain function, found {found}"


def _is_several(value: object) -> TypeGuard[Sequence[object]]:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _type_problems(what: str, kind: object) -> Iterator[str]:
    if not isinstance(kind, type):
        yield f"{what}: expected an exception type, found {type(kind).__name__}"
        return
    found = f"found the class {kind.__name__}"
    if issubclass(kind, BaseExceptionGroup):
        rule = "a group is retried if all exceptions in it are of such types"
        yield f"{what}: expected the types of exceptions in a group, {found}; {rule}"
    elif issubclass(kind, Discard | Snooze):
        yield f"{what}: expected the type of an error, {found}"
    elif not issubclass(kind, Exception | SystemExit):
        yield f"{what}: expected a subclass of Exception or SystemExit, {found}"
