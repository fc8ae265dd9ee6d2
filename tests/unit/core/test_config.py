"""The settings of a configuration: defaults, and checks between settings."""

from datetime import timedelta
from typing import Any

import pytest
from attrs.exceptions import FrozenInstanceError

import bgjobs
from bgjobs._core.clock import SystemClock
from bgjobs._core.config import Config, Queue, RestartTolerance
from bgjobs._core.outcomes import Limits
from bgjobs._core.retention import Retention
from bgjobs.backoff import Constant, Custom, Exponential
from bgjobs.errors import ConfigError
from bgjobs.events import Event
from bgjobs.testing import Recorder, VirtualClock
from tests.unit.core.settings import STORE, clean, mail, make_config, make_queue, problems_of


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
    assert config.retention == Retention(
        succeeded=timedelta(days=7), failed=None, audit=timedelta(days=90), interval=60
    )
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
        "retention": Retention(
            succeeded=None, failed=timedelta(days=1), audit=None, interval=5
        ),
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


def whole(**settings: Any) -> tuple[str, ...]:
    return problems_of(lambda: make_config(**settings))


def test_a_configuration_without_workers_is_refused_by_run() -> None:
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


def test_all_problems_between_settings_are_listed_at_once() -> None:
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
