"""Wrong settings are refused by constructors, all at once, in errors that name each setting."""

import math
from datetime import timedelta
from random import Random
from typing import Any

import pytest

import bgjobs
from bgjobs._core.clock import SystemClock
from bgjobs._core.config import Queue, RestartTolerance
from bgjobs._core.outcomes import Limits
from bgjobs._core.retention import Retention
from tests.unit.core.settings import Maker, mail, make_config, make_queue, problems_of

OWNERS = {make_queue: "queue 'q'", make_config: "Config"}
WRONG: list[tuple[Maker, str, Any, str]] = [
    (make_queue, "workers", [], "expected at least one, found none"),
    (
        make_queue,
        "workers",
        [mail, mail.handler],
        "[1]: expected a worker made by @bgjobs.worker, found function",
    ),
    (make_queue, "concurrency", 0, "expected 1 to 10000, found 0"),
    (make_queue, "concurrency", 10001, "expected 1 to 10000, found 10001"),
    (make_queue, "concurrency", True, "expected int, found bool"),
    (make_queue, "concurrency", 4.0, "expected int, found float"),
    (make_queue, "concurrency", "4", "expected int, found str"),
    (make_queue, "max_retries", -1, "expected 0 to 1000000, found -1"),
    (make_queue, "max_retries", 10**6 + 1, "expected 0 to 1000000, found 1000001"),
    (make_queue, "max_retries", None, "expected int, found NoneType"),
    (make_queue, "poll_interval", 0, "expected 0.01 to 604800 seconds, found 0"),
    (make_queue, "poll_interval", 604801, "expected 0.01 to 604800 seconds, found 604801"),
    (make_queue, "poll_interval", math.nan, "expected 0.01 to 604800 seconds, found nan"),
    (make_queue, "poll_interval", "2", "expected seconds, found str"),
    (make_queue, "poll_interval", True, "expected seconds, found bool"),
    (make_queue, "backoff", Random, "expected a plain function, found the class Random"),
    (make_queue, "backoff", 5, "expected a policy of bgjobs.backoff or a function, found int"),
    (
        make_queue,
        "backoff",
        bgjobs.backoff.Exponential,
        "expected a policy of bgjobs.backoff or a function, found type",
    ),
    (make_queue, "workers", 5, "expected a list of them, found int"),
    (make_config, "heartbeat_interval", 0, "expected seconds above 0, at most 1e+09, found 0"),
    (make_config, "lease", math.nan, "expected seconds above 0, at most 1e+09, found nan"),
    (make_config, "lease", "20", "expected seconds, found str"),
    (make_config, "lease", timedelta(1), "expected seconds, found timedelta"),
    (make_config, "sweep_interval", -5, "expected seconds above 0, at most 1e+09, found -5"),
    (make_config, "grace", -0.5, "expected 0 to 1e+09 seconds, found -0.5"),
    (make_config, "grace", False, "expected seconds, found bool"),
    (make_config, "store_timeout", -1, "expected seconds above 0, at most 1e+09, found -1"),
    (
        make_config,
        "grace",
        10**400,
        "expected 0 to 1e+09 seconds, found 1000000000000000000000000000000000000000...",
    ),
    (
        make_config,
        "store",
        bgjobs.SQLiteStore,
        "expected a store such as SQLiteStore(...), found the class SQLiteStore",
    ),
    (make_config, "clock", SystemClock, "expected a Clock, found the class SystemClock"),
    (
        make_config,
        "listeners",
        [list],
        "[0]: expected a function of one event, found the class list",
    ),
    (make_config, "limits", 3, "expected Limits, found int"),
    (make_config, "store", "jobs.db", "expected a store such as SQLiteStore(...), found str"),
    (make_config, "queues", [5], "[0]: expected a Queue, found int"),
    (make_config, "queues", "", "expected a list of them, found str"),
    (
        make_config,
        "before_enqueue",
        bgjobs.JobRequest,
        "expected a plain function, found the class JobRequest",
    ),
    (make_config, "before_enqueue", mail, "expected a plain function, found an async one"),
    (make_config, "queues", make_queue(), "expected a list of them, found Queue"),
    (make_config, "listeners", [5], "[0]: expected a function of one event, found int"),
    (make_config, "limits", None, "expected Limits, found NoneType"),
    (make_config, "retention", 7, "expected Retention, found int"),
    (make_config, "restart_tolerance", 5, "expected RestartTolerance, found int"),
    (make_config, "migrate", "no", "expected True or False, found 'no'"),
    (make_config, "event_loop", "uvloop", "expected 'trio' or 'asyncio', found 'uvloop'"),
    (make_config, "event_loop", ["trio"], "expected 'trio' or 'asyncio', found ['trio']"),
    (make_config, "clock", 5, "expected a Clock, found int"),
    (
        make_config,
        "enqueue_only",
        ["mail"],
        "[0]: expected a worker made by @bgjobs.worker, found str",
    ),
    (RestartTolerance, "restarts", -1, "expected 0 or more, found -1"),
    (RestartTolerance, "restarts", 1.5, "expected int, found float"),
    (RestartTolerance, "within", 0, "expected seconds above 0, at most 1e+09, found 0"),
    (
        RestartTolerance,
        "within",
        -math.inf,
        "expected seconds above 0, at most 1e+09, found -inf",
    ),
    (RestartTolerance, "restarts", 2**31, "expected 0 to 2147483647, found 2147483648"),
    (
        Retention,
        "succeeded",
        timedelta(0),
        "expected a positive timedelta or None, found datetime.timedelta(0)",
    ),
    (Retention, "failed", 3600, "expected a positive timedelta or None, found 3600"),
    (
        Retention,
        "succeeded",
        timedelta.max,
        "expected at most 36,500 days, or None, found 999,999,999 days",
    ),
    (
        Retention,
        "failed",
        timedelta(days=36501),
        "expected at most 36,500 days, or None, found 36,501 days",
    ),
    (Retention, "interval", -1, "expected seconds above 0, at most 1e+09, found -1"),
]
"""A setting, a wrong value, and how the problem goes on after the name of the setting."""


@pytest.mark.parametrize(
    ("make", "setting", "value", "problem"),
    WRONG,
    ids=[f"{setting}-{number}" for number, (_, setting, _, _) in enumerate(WRONG)],
)
def test_a_wrong_value_is_refused_where_it_is_given(
    make: Maker, setting: str, value: Any, problem: str
) -> None:
    (found,) = problems_of(make, **{setting: value})
    assert found.startswith(f"{OWNERS.get(make, make.__name__)}: {setting}")
    assert found.partition(setting)[2].removeprefix(": ") == problem


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        (5, "queue 5: name: expected str, found int"),
        ("", "queue '': name: expected a name, found ''"),
        (" \t", "queue ' \\t': name: expected a name, found ' \\t'"),
        ("a\nb", "queue 'a\\nb': name: expected printable characters, found 'a\\nb'"),
        (
            "x" * 201,
            f"queue '{'x' * 99}...: name: expected at most 200 characters, found 201",
        ),
        (10**5000, "queue a huge int: name: expected str, found int"),
    ],
    ids=["number", "empty", "blank", "line_end", "long", "huge_number"],
)
def test_a_wrong_name_is_refused_and_shown_on_one_line(name: Any, problem: str) -> None:
    assert problems_of(make_queue, name=name) == (problem,)


def test_all_problems_of_a_queue_are_listed_at_once() -> None:
    assert problems_of(
        Queue, "", workers=[], concurrency=0, max_retries=-1, poll_interval=0
    ) == (
        "queue '': name: expected a name, found ''",
        "queue '': concurrency: expected 1 to 10000, found 0",
        "queue '': max_retries: expected 0 to 1000000, found -1",
        "queue '': poll_interval: expected 0.01 to 604800 seconds, found 0",
        "queue '': workers: expected at least one, found none",
    )


def test_all_problems_of_a_configuration_are_listed_at_once() -> None:
    found = problems_of(
        make_config,
        heartbeat_interval=-1,
        lease="1",
        sweep_interval=math.inf,
        grace=-1,
        store_timeout=-1,
        limits=Limits,
        enqueue_only=[1, 2],
    )
    settings = [problem.split(": ")[1] for problem in found]
    assert settings == [
        "enqueue_only[0]", "enqueue_only[1]", "heartbeat_interval", "lease", "sweep_interval",
        "grace", "store_timeout", "limits",
    ]  # fmt: skip


def test_the_checks_do_not_hide_an_error_of_the_caller() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'max_retry'"):
        make_queue(max_retry=3)


@pytest.mark.parametrize("setting", ["max_crashes", "max_interruptions"])
@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        ("x", TypeError, "expected int, found str"),
        (None, TypeError, "expected int, found None"),
        (True, TypeError, "expected int, found bool"),
        (1.5, TypeError, "expected int, found float"),
        (-1, ValueError, "expected 0 or more, found -1"),
        (2**31, ValueError, "expected at most 2,147,483,647, found 2147483648"),
    ],
)
def test_a_limit_is_a_whole_number(
    setting: str, value: Any, kind: type[Exception], text: str
) -> None:
    with pytest.raises(kind) as caught:
        Limits(**{setting: value})
    assert str(caught.value) == f"Limits: {setting}: {text}"
