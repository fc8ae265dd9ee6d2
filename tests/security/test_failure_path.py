"""Recording a failure succeeds, whatever a handler raises or discards its job with."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import trio

import bgjobs
from bgjobs._core.outcomes import Discard, Snooze
from tests.fixtures.databases import Database

REASONS: list[Any] = [
    ValueError("no such user"),
    None,
    5,
    b"bytes",
    "a\0\ud800b",
    "x" * 10_000_000,
]


@pytest.mark.parametrize("reason", REASONS, ids=lambda reason: type(reason).__name__)
def test_any_reason_discards_the_job(reason: Any, database: Database) -> None:
    @bgjobs.worker
    def give_up() -> None:
        raise Discard(reason)

    [failed] = run_to_the_end(database, give_up)
    assert failed.crashes == 0
    assert len(failed.error) <= 8_192


class Silent(Discard):
    def __init__(self) -> None:
        pass


class Sleepy(Snooze):
    def __init__(self) -> None:
        pass


def test_a_discard_without_its_initializer_is_still_a_discard() -> None:
    assert isinstance(Silent().reason, str)
    assert Sleepy().delay == timedelta(0)


def test_a_discard_without_its_initializer_discards_the_job(database: Database) -> None:
    @bgjobs.worker
    def give_up() -> None:
        raise Silent

    [failed] = run_to_the_end(database, give_up)
    assert failed.crashes == 0


def run_to_the_end(
    database: Database, worker: bgjobs.Worker[[], object], max_retries: int = 0
) -> list[bgjobs.FailedJob]:
    """Run one job of `worker`, and return the failed job."""
    queue = bgjobs.Queue(
        "q", workers=[worker], max_retries=max_retries, backoff=bgjobs.backoff.IMMEDIATE
    )
    config = bgjobs.Config(store=database.store(), queues=[queue])

    async def main() -> list[bgjobs.FailedJob]:
        with trio.fail_after(60):
            async with bgjobs.run(config) as bg:
                await bg.enqueue(worker.request())
                await bg.drain(with_delayed=True)
                return await bg.list(bgjobs.JobFilter("failed"))

    return trio.run(main)


class BombError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("boom")

    __repr__ = __str__


class OddText(str):
    __slots__ = ()

    def __format__(self, spec: str) -> str:
        raise RuntimeError

    def __len__(self) -> int:
        raise RuntimeError

    def __bool__(self) -> bool:
        raise RuntimeError


class OddTextError(Exception):
    def __str__(self) -> str:
        return OddText("odd")


def nested_group(depth: int, innermost: BaseException) -> BaseException:
    error = innermost
    for _ in range(depth):
        error = BaseExceptionGroup("group", [error, KeyError("x")])
    return error


def chained(length: int) -> Exception:
    error: Exception = ValueError("first")
    for number in range(length):
        following = ValueError(str(number))
        following.__cause__ = error
        error = following
    return error


def circular() -> Exception:
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__context__ = two, one
    return one


def noted(notes: Any) -> Exception:
    error = ValueError("noted")
    error.__notes__ = notes
    return error


def recursive() -> Exception:
    try:
        return recursive()
    except RecursionError as error:
        return error


HOSTILE: dict[str, Callable[[], BaseException]] = {
    "str raises": BombError,
    "str gives an odd text": OddTextError,
    "huge": lambda: ValueError("x" * 10_000_000),
    "NUL": lambda: ValueError("a\0b"),
    "surrogate": lambda: ValueError("a\ud800b"),
    "deep group": lambda: nested_group(500, ValueError("innermost")),
    "deeper group": lambda: nested_group(5_000, ValueError("innermost")),
    "deeper group of exits": lambda: nested_group(5_000, SystemExit(1)),
    "wide group": lambda: ExceptionGroup("wide", [ValueError("x" * 99)] * 5_000),
    "long chain": lambda: chained(5_000),
    "circle": circular,
    "notes": lambda: noted(["\0", "x" * 100_000, 5]),
    "notes that are none": lambda: noted(5),
    "recursion": recursive,
    "names": lambda: type("E\0\ud800\n" * 500, (Exception,), {})("x"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_the_failure_path_cannot_fail(kind: str, database: Database) -> None:
    @bgjobs.worker
    def work() -> None:
        error = HOSTILE[kind]()
        raise error

    [failed] = run_to_the_end(database, work, max_retries=1)
    assert len(failed.errors) == 2
    for text in (failed.error, *(one.error for one in failed.errors)):
        assert 1 <= len(text) <= 8_192
        assert "\0" not in text
        text.encode()
