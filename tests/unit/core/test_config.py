"""Settings are checked where they are given, all at once; `run` asks that there is work."""

import math
from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from attrs.exceptions import FrozenInstanceError

import bgjobs
from bgjobs import every
from bgjobs._core.clock import SystemClock
from bgjobs._core.config import Config, Queue, RestartTolerance, Retention
from bgjobs._core.outcomes import Limits
from bgjobs.backoff import Constant, Custom, Exponential
from bgjobs.errors import ConfigError
from bgjobs.events import Event
from bgjobs.testing import Recorder, VirtualClock


@bgjobs.worker
async def mail(to: str) -> None: ...


@bgjobs.worker
async def clean() -> None: ...


STORE = bgjobs.SQLiteStore("jobs.db")
Maker = Callable[..., Any]


def make_queue(name: Any = "q", **settings: Any) -> Queue:
    return Queue(name, **{"workers": [mail], **settings})


def make_config(**settings: Any) -> Config:
    return Config(**{"store": STORE, "queues": [make_queue()], **settings})


def problems_of(make: Maker, *args: Any, **settings: Any) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        make(*args, **settings)
    return caught.value.problems


def test_every_setting_of_a_queue_has_its_default() -> None:
    """The twin of the original's build_queue, first half."""
    queue = Queue("mail", workers=[mail])
    assert (queue.name, queue.workers, queue.listeners) == ("mail", (mail,), ())
    assert (queue.concurrency, queue.max_retries, queue.poll_interval) == (10, 3, 2.0)
    assert queue.backoff == Exponential()


def test_every_setting_of_a_queue_can_be_given() -> None:
    """The twin of build_queue, second half: workers and listeners come in lists."""
    first, second = Recorder(), Recorder()
    queue = Queue(
        "mail",
        workers=[mail, clean],
        concurrency=4,
        max_retries=7,
        backoff=Constant(1),
        poll_interval=0.5,
        listeners=[first, second],
    )
    assert (queue.workers, queue.listeners) == ((mail, clean), (first, second))
    assert (queue.concurrency, queue.max_retries, queue.poll_interval) == (4, 7, 0.5)
    assert queue.backoff == Constant(1)


def test_every_setting_of_a_configuration_has_its_default() -> None:
    """The twin of the original's builder, first half."""
    config = Config(store=STORE)
    assert config.store is STORE
    assert (config.queues, config.enqueue_only, config.listeners) == ((), (), ())
    assert (config.heartbeat_interval, config.lease, config.sweep_interval) == (5, 20, 5)
    assert (config.grace, config.store_timeout, config.migrate) == (10, 30, True)
    assert config.event_loop == "trio"
    assert config.limits == Limits(max_crashes=3, max_interruptions=100)
    assert config.restart_tolerance == RestartTolerance(
        restarts=5, within=60, backoff=Exponential(base=0.1, maximum=5)
    )
    assert config.retention == Retention(succeeded=timedelta(days=7), failed=None, interval=60)
    assert config.clock == SystemClock()
    assert not config.clock.inline


def test_every_setting_of_a_configuration_can_be_given() -> None:
    """The twin of builder, second half; the original overrode the caller's tolerance."""
    clock, listener = VirtualClock(), Recorder()
    tolerance = RestartTolerance(restarts=100, within=1, backoff=Constant(0))
    given: dict[str, Any] = {
        "store": STORE,
        "queues": (make_queue("a"), make_queue("b", workers=[clean])),
        "enqueue_only": (mail,),
        "listeners": (listener,),
        "heartbeat_interval": 1.0,
        "lease": 3.0,
        "sweep_interval": 2.0,
        "grace": 0.0,
        "store_timeout": 0.5,
        "limits": Limits(max_crashes=0, max_interruptions=0),
        "restart_tolerance": tolerance,
        "retention": Retention(succeeded=None, failed=timedelta(days=1), interval=5),
        "migrate": False,
        "event_loop": "asyncio",
        "clock": clock,
    }
    config = Config(**given)
    assert {name: getattr(config, name) for name in given} == given
    config.check()
    assert list(config.all_workers()) == [mail, clean, mail]


@pytest.mark.parametrize(
    ("made", "setting"),
    [
        (make_queue(), "concurrency"),
        (make_config(), "lease"),
        (RestartTolerance(), "restarts"),
        (Retention(), "interval"),
        (Limits(), "max_crashes"),
    ],
    ids=lambda one: type(one).__name__,
)
def test_settings_are_frozen(made: Any, setting: str) -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(made, setting, 1)


def test_a_list_that_was_given_can_be_changed_without_effect() -> None:
    workers: list[Any] = [mail]
    queue = Queue("q", workers=workers)
    workers.append(clean)
    assert queue.workers == (mail,)


def test_a_function_is_a_backoff() -> None:
    def linear(attempt: int) -> float:
        return attempt * 10.0

    assert make_queue(backoff=linear).backoff == Custom(linear)
    assert RestartTolerance(backoff=linear).backoff == Custom(linear)


def test_any_callable_is_a_listener() -> None:
    heard: list[Event] = []
    assert make_queue(listeners=[heard.append]).listeners == (heard.append,)


WRONG: list[tuple[Maker, dict[str, Any], str]] = [
    (make_queue, {"name": 5}, "queue 5: name: expected str, found int"),
    (make_queue, {"name": ""}, "queue '': name: expected a name, found ''"),
    (make_queue, {"name": " \t"}, "queue ' \\t': name: expected a name, found ' \\t'"),
    (
        make_queue,
        {"name": "a\nb"},
        "queue 'a\\nb': name: expected printable characters, found 'a\\nb'",
    ),
    (
        make_queue,
        {"name": "x" * 201},
        f"queue '{'x' * 99}...: name: expected at most 200 characters, found 201",
    ),
    (make_queue, {"workers": []}, "queue 'q': workers: expected at least one, found none"),
    (
        make_queue,
        {"workers": [mail, mail.handler]},
        "queue 'q': workers[1]: expected a worker made by @bgjobs.worker, found function",
    ),
    (make_queue, {"concurrency": 0}, "queue 'q': concurrency: expected 1 to 10000, found 0"),
    (
        make_queue,
        {"concurrency": 10_001},
        "queue 'q': concurrency: expected 1 to 10000, found 10001",
    ),
    (make_queue, {"concurrency": True}, "queue 'q': concurrency: expected int, found bool"),
    (make_queue, {"concurrency": 4.0}, "queue 'q': concurrency: expected int, found float"),
    (make_queue, {"concurrency": "4"}, "queue 'q': concurrency: expected int, found str"),
    (
        make_queue,
        {"max_retries": -1},
        "queue 'q': max_retries: expected 0 to 1000000, found -1",
    ),
    (
        make_queue,
        {"max_retries": 10**6 + 1},
        "queue 'q': max_retries: expected 0 to 1000000, found 1000001",
    ),
    (make_queue, {"max_retries": None}, "queue 'q': max_retries: expected int, found NoneType"),
    (
        make_queue,
        {"poll_interval": 0},
        "queue 'q': poll_interval: expected 0.01 to 604800 seconds, found 0",
    ),
    (
        make_queue,
        {"poll_interval": 604_801},
        "queue 'q': poll_interval: expected 0.01 to 604800 seconds, found 604801",
    ),
    (
        make_queue,
        {"poll_interval": math.nan},
        "queue 'q': poll_interval: expected 0.01 to 604800 seconds, found nan",
    ),
    (
        make_queue,
        {"poll_interval": "2"},
        "queue 'q': poll_interval: expected seconds, found str",
    ),
    (
        make_queue,
        {"poll_interval": True},
        "queue 'q': poll_interval: expected seconds, found bool",
    ),
    (
        RestartTolerance,
        {"restarts": -1},
        "RestartTolerance: restarts: expected 0 or more, found -1",
    ),
    (
        RestartTolerance,
        {"restarts": 1.5},
        "RestartTolerance: restarts: expected int, found float",
    ),
    (
        RestartTolerance,
        {"within": 0},
        "RestartTolerance: within: expected seconds above 0, at most 1e+09, found 0",
    ),
    (
        RestartTolerance,
        {"within": -math.inf},
        "RestartTolerance: within: expected seconds above 0, at most 1e+09, found -inf",
    ),
    (
        Retention,
        {"succeeded": timedelta(0)},
        (
            "Retention: succeeded: expected a positive timedelta or None, "
            "found datetime.timedelta(0)"
        ),
    ),
    (
        Retention,
        {"failed": 3600},
        "Retention: failed: expected a positive timedelta or None, found 3600",
    ),
    (
        Retention,
        {"succeeded": timedelta.max},
        "Retention: succeeded: expected at most 36,500 days, or None, found 999,999,999 days",
    ),
    (
        Retention,
        {"failed": timedelta(days=36_501)},
        "Retention: failed: expected at most 36,500 days, or None, found 36,501 days",
    ),
    (
        RestartTolerance,
        {"restarts": 2**31},
        "RestartTolerance: restarts: expected 0 to 2147483647, found 2147483648",
    ),
    (
        Retention,
        {"interval": -1},
        "Retention: interval: expected seconds above 0, at most 1e+09, found -1",
    ),
    (
        make_config,
        {"heartbeat_interval": 0},
        "Config: heartbeat_interval: expected seconds above 0, at most 1e+09, found 0",
    ),
    (
        make_config,
        {"lease": math.nan},
        "Config: lease: expected seconds above 0, at most 1e+09, found nan",
    ),
    (make_config, {"lease": "20"}, "Config: lease: expected seconds, found str"),
    (make_config, {"lease": timedelta(1)}, "Config: lease: expected seconds, found timedelta"),
    (
        make_config,
        {"sweep_interval": -5},
        "Config: sweep_interval: expected seconds above 0, at most 1e+09, found -5",
    ),
    (make_config, {"grace": -0.5}, "Config: grace: expected 0 to 1e+09 seconds, found -0.5"),
    (make_config, {"grace": False}, "Config: grace: expected seconds, found bool"),
    (
        make_config,
        {"store_timeout": -1},
        "Config: store_timeout: expected seconds above 0, at most 1e+09, found -1",
    ),
    (
        make_config,
        {"grace": 10**400},
        "Config: grace: expected 0 to 1e+09 seconds, found 1" + 39 * "0" + "...",
    ),
    (
        make_config,
        {"store": bgjobs.SQLiteStore},
        (
            "Config: store: expected a store such as SQLiteStore(...), "
            "found the class SQLiteStore"
        ),
    ),
    (
        make_config,
        {"clock": SystemClock},
        "Config: clock: expected a Clock, found the class SystemClock",
    ),
    (
        bgjobs.ScheduledJob,
        {"worker": clean, "schedule": type(every(days=1))},
        (
            "scheduled job 'clean': schedule: expected a built schedule, "
            f"found the class {type(every(days=1)).__name__}"
        ),
    ),
    (
        make_config,
        {"listeners": [list]},
        "Config: listeners[0]: expected a function of one event, found the class list",
    ),
    (make_config, {"limits": 3}, "Config: limits: expected Limits, found int"),
    (
        make_config,
        {"store": "jobs.db"},
        "Config: store: expected a store such as SQLiteStore(...), found str",
    ),
    (make_config, {"queues": [5]}, "Config: queues[0]: expected a Queue, found int"),
    (make_config, {"queues": ""}, "Config: queues: expected a list of them, found str"),
    (
        make_config,
        {"before_enqueue": bgjobs.JobRequest},
        "Config: before_enqueue: expected a plain function, found the class JobRequest",
    ),
    (
        make_config,
        {"before_enqueue": mail},
        "Config: before_enqueue: expected a plain function, found an async one",
    ),
    (
        make_queue,
        {"backoff": Random},
        "queue 'q': backoff: expected a plain function, found the class Random",
    ),
    (
        make_queue,
        {"name": 10**5000},
        "queue a huge int: name: expected str, found int",
    ),
    (
        make_config,
        {"queues": make_queue()},
        "Config: queues: expected a list of them, found Queue",
    ),
    (
        make_config,
        {"listeners": [5]},
        "Config: listeners[0]: expected a function of one event, found int",
    ),
    (make_config, {"limits": None}, "Config: limits: expected Limits, found NoneType"),
    (make_config, {"retention": 7}, "Config: retention: expected Retention, found int"),
    (
        make_config,
        {"restart_tolerance": 5},
        "Config: restart_tolerance: expected RestartTolerance, found int",
    ),
    (make_config, {"migrate": "no"}, "Config: migrate: expected True or False, found 'no'"),
    (
        make_config,
        {"event_loop": "uvloop"},
        "Config: event_loop: expected 'trio' or 'asyncio', found 'uvloop'",
    ),
    (
        make_config,
        {"event_loop": ["trio"]},
        "Config: event_loop: expected 'trio' or 'asyncio', found ['trio']",
    ),
    (make_config, {"clock": 5}, "Config: clock: expected a Clock, found int"),
    (
        make_queue,
        {"backoff": 5},
        "queue 'q': backoff: expected a policy of bgjobs.backoff or a function, found int",
    ),
    (
        make_queue,
        {"backoff": bgjobs.backoff.Exponential},
        "queue 'q': backoff: expected a policy of bgjobs.backoff or a function, found type",
    ),
    (make_queue, {"workers": 5}, "queue 'q': workers: expected a list of them, found int"),
    (
        make_config,
        {"enqueue_only": ["mail"]},
        "Config: enqueue_only[0]: expected a worker made by @bgjobs.worker, found str",
    ),
]


@pytest.mark.parametrize(
    ("make", "settings", "problem"),
    WRONG,
    ids=[f"{next(iter(settings))}-{number}" for number, (_, settings, _) in enumerate(WRONG)],
)
def test_a_wrong_value_is_refused_where_it_is_given(
    make: Maker, settings: dict[str, Any], problem: str
) -> None:
    assert problems_of(make, **settings) == (problem,)


def test_all_that_is_wrong_with_a_queue_is_told_at_once() -> None:
    assert problems_of(
        Queue, "", workers=[], concurrency=0, max_retries=-1, poll_interval=0
    ) == (
        "queue '': name: expected a name, found ''",
        "queue '': concurrency: expected 1 to 10000, found 0",
        "queue '': max_retries: expected 0 to 1000000, found -1",
        "queue '': poll_interval: expected 0.01 to 604800 seconds, found 0",
        "queue '': workers: expected at least one, found none",
    )


def test_all_that_is_wrong_with_a_configuration_is_told_at_once() -> None:
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


def whole(**settings: Any) -> tuple[str, ...]:
    return problems_of(lambda: make_config(**settings))


def test_nothing_to_do_is_refused_when_it_is_run() -> None:
    (problem,) = problems_of(make_config(queues=[]).check)
    assert problem == (
        "Config: expected a queue, a scheduled job or a worker in enqueue_only, "
        "found none of them"
    )
    make_config(queues=[], enqueue_only=[mail]).check()


def test_two_queues_of_one_name_are_refused() -> None:
    queues = [make_queue("a"), make_queue("b"), make_queue("a"), make_queue("b")]
    assert whole(queues=queues) == (
        "queues: two have the name 'a'",
        "queues: two have the name 'b'",
    )


def test_a_worker_twice_in_one_queue_is_refused() -> None:
    assert problems_of(lambda: make_queue(workers=[mail, clean, mail])) == (
        "queue 'q': workers: 'mail' is listed twice",
    )


def test_one_worker_in_two_queues_and_in_enqueue_only_is_fine() -> None:
    make_config(queues=[make_queue("a"), make_queue("b")], enqueue_only=[mail]).check()


def test_two_handlers_of_one_name_are_refused() -> None:
    @bgjobs.worker(name="mail")
    async def other(to: str) -> None: ...

    problem = "workers: two different handlers have the name 'mail'"
    queues = [make_queue("a"), make_queue("b", workers=[other])]
    assert whole(queues=queues) == (problem,)
    assert whole(enqueue_only=[other]) == (problem,)
    assert problems_of(lambda: make_queue(workers=[mail, other])) == (
        "queue 'q': workers: 'mail' is listed twice",
    )


def test_a_handler_need_not_have_a_hash() -> None:
    class Handler:
        __hash__ = None  # type: ignore[assignment]  # the point

        def __init__(self, number: int) -> None:
            self.number = number

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Handler) and self.number == other.number

        def __call__(self, to: str) -> None: ...

    one, same, other = (bgjobs.worker(name="x")(Handler(number)) for number in (1, 1, 2))
    make_config(enqueue_only=[one, same])
    assert whole(enqueue_only=[one, other]) == (
        "workers: two different handlers have the name 'x'",
    )


@pytest.mark.parametrize("lease", [1.0, 20, 300.0])
def test_heartbeats_and_sweeps_follow_the_lease(lease: float) -> None:
    config = make_config(lease=lease)
    config.check()
    assert (config.heartbeat_interval, config.sweep_interval) == (lease / 4, lease / 4)


def test_the_defaults_bound_how_long_a_killed_workers_job_waits() -> None:
    """Its lease may have been renewed just before, and the monitor have looked just before."""
    ordinary, quick = make_config(), make_config(lease=1.0)
    assert ordinary.lease + ordinary.sweep_interval <= 25
    assert quick.lease + quick.sweep_interval <= 1.25


def test_a_lease_outlives_three_heartbeats() -> None:
    make_config(heartbeat_interval=1, lease=3).check()
    assert whole(heartbeat_interval=5.5, lease=15) == (
        "heartbeat_interval: expected at most a third of the lease (5 s), found 5.5 s",
    )


def test_all_that_is_wrong_with_the_whole_is_told_at_once() -> None:
    @bgjobs.worker(name="mail")
    async def other(to: str) -> None: ...

    queues = [make_queue("a", workers=[mail]), make_queue("a", workers=[other])]
    with pytest.raises(ConfigError) as caught:
        make_config(queues=queues, heartbeat_interval=10, lease=9)
    assert str(caught.value) == (
        "invalid configuration, 3 problems:\n"
        "  - queues: two have the name 'a'\n"
        "  - workers: two different handlers have the name 'mail'\n"
        "  - heartbeat_interval: expected at most a third of the lease (3 s), found 10 s"
    )


def test_an_error_of_the_caller_s_own_is_not_hidden_by_the_checks() -> None:
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
