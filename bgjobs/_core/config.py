"""Settings: `Config`, `Queue`, `ScheduledJob` and their parts, as frozen values.

Constructors check all values and raise one `ConfigError` with every problem. A configuration
with nothing to run is valid, because `bgjobs.connect` can use it; `Config.check` refuses it
for `bgjobs.run`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, final

from attrs import Factory, evolve, field, frozen

from bgjobs._core.checks import (
    LONGEST_TIME,
    Problems,
    ambiguous_handlers,
    as_tuple,
    duplicates,
)
from bgjobs._core.clock import Clock, SystemClock
from bgjobs._core.middleware import Middleware
from bgjobs._core.occurrences import Recurrence
from bgjobs._core.outcomes import Limits
from bgjobs._core.requests import JobOptions, JobRequest
from bgjobs._core.resources import problem_of_lifespan
from bgjobs._core.retention import Retention
from bgjobs._core.retries import MOST_RETRIES, as_optional_backoff
from bgjobs._core.text import value_text
from bgjobs._core.timestamps import as_duration
from bgjobs._core.workers import Worker
from bgjobs.backoff import Backoff, Exponential, as_backoff
from bgjobs.errors import ConfigError, PayloadError
from bgjobs.stores.port import Store

if TYPE_CHECKING:  # not needed by programs that only enqueue, whose import is faster without
    from bgjobs._runtime.client import Client
    from bgjobs.events import Listener
    from bgjobs.schedules import Schedule

AnyWorker: TypeAlias = Worker[..., Any]
"""A worker of any signature and result."""

HEARTBEATS_PER_LEASE = 3
"""Heartbeats in the length of a lease, so that two of them may fail before the lease ends."""

ON_TIME = 1.0
"""Seconds by which a run may be late with ``catch_up="never"`` and no `misfire_grace`."""
SHORTEST_GRACE = 0.1
"""Seconds; with less time than a reservation takes, no run would ever start."""
LONGEST_POLL = 604_800.0
"""Seconds; a week, for tests in virtual time, whose clock stops at each poll."""


# One for each type, because type checkers take the type of a setting from its converter.
def _queues(values: "Iterable[Queue]") -> "Sequence[Queue]":
    return as_tuple(values)


def _scheduled_jobs(values: "Iterable[ScheduledJob]") -> "Sequence[ScheduledJob]":
    return as_tuple(values)


def _workers(values: Iterable[AnyWorker]) -> Sequence[AnyWorker]:
    return as_tuple(values)


def _listeners(values: "Iterable[Listener]") -> "Sequence[Listener]":
    return as_tuple(values)


def _middleware(values: Iterable[Middleware]) -> Sequence[Middleware]:
    return as_tuple(values)


def _quarter_of_lease(config: "Config") -> float:
    lease = config.lease
    # A wrong lease is reported once, for the setting `lease`.
    is_right = isinstance(lease, int | float) and 0 < lease <= LONGEST_TIME  # pyright: ignore[reportUnnecessaryIsInstance] - untyped callers
    return lease / 4 if is_right else 1.0


def _name_of_worker(job: "ScheduledJob") -> str:
    return job.worker.name if isinstance(job.worker, Worker) else ""  # pyright: ignore[reportUnnecessaryIsInstance] - untyped callers


@final
@frozen(kw_only=True)
class RestartTolerance:
    """How many crashes of a queue or another child of the supervisor are tolerated.

    Raises:
        ConfigError: A value has the wrong type or is out of bounds.
    """

    restarts: int = 5
    """Crashes of one child that are tolerated within the window; one more ends the
    application."""
    within: float = 60.0
    """The length of the window, in seconds."""
    backoff: Backoff = field(default=Exponential(base=0.1, maximum=5.0), converter=as_backoff)
    """The delay before a restart; the attempt is the number of crashes within the window."""

    def __attrs_post_init__(self) -> None:
        with Problems("RestartTolerance") as problems:
            problems.whole("restarts", self.restarts, least=0)
            problems.seconds("within", self.within, above=0)
            problems.backoff("backoff", self.backoff)


@final
@frozen
class Queue:
    """A named set of workers whose jobs share one limit of concurrency.

    Several queues, of one process or of many, may have the same worker. Each job is run by one
    of them.

    Raises:
        ConfigError: A value has the wrong type or is out of bounds, or a worker is listed
            twice.
    """

    name: str
    """The name, unique in the configuration: 1 to 200 printable characters."""
    workers: Sequence[AnyWorker] = field(converter=_workers, kw_only=True)
    """The workers whose jobs the queue runs; at least one."""
    concurrency: int = field(default=10, kw_only=True)
    """How many handlers run at the same time, without those that wait by `JobContext.client` or
    in a nursery for another job; each plain function takes a thread."""
    max_waiting: int = field(default=1000, kw_only=True)
    """How many handlers may wait in nurseries for their children. Jobs without a parent may
    take half of it: beyond that, such a job is put back and runs again a second later, or up to
    a minute if that repeats. A child that would wait for its own children beyond it fails with
    `TooManyWaitingError`."""
    max_retries: int = field(default=3, kw_only=True)
    """How often a job is retried after its handler raised: 3 means up to 4 attempts. That of
    the worker precedes it."""
    backoff: Backoff = field(factory=Exponential, converter=as_backoff, kw_only=True)
    """The delay before a retry: a policy of `bgjobs.backoff` or a function of the attempt. That
    of the worker precedes it."""
    poll_interval: float = field(default=2.0, kw_only=True)
    """Seconds between two polls of the store while no notification of new jobs arrives."""
    listeners: "Sequence[Listener]" = field(default=(), converter=_listeners, kw_only=True)
    """Functions called with the events of this queue, before those of the configuration."""
    middleware: Sequence[Middleware] = field(default=(), converter=_middleware, kw_only=True)
    """What to enter around each handler, inside the middleware of the configuration."""

    def __attrs_post_init__(self) -> None:
        with Problems(f"queue {value_text(self.name)}") as problems:
            problems.name("name", self.name)
            problems.whole("concurrency", self.concurrency, least=1, most=10_000)
            problems.whole("max_waiting", self.max_waiting, least=1, most=100_000)
            problems.whole("max_retries", self.max_retries, least=0, most=MOST_RETRIES)
            problems.seconds("poll_interval", self.poll_interval, least=0.01, most=LONGEST_POLL)
            problems.backoff("backoff", self.backoff)
            problems.listeners("listeners", self.listeners)
            problems.middleware("middleware", self.middleware)
            problems.workers("workers", self.workers)
            if self.workers == ():
                problems.add("workers: expected at least one, found none")
        with Problems(f"queue {value_text(self.name)}") as problems:
            for name in duplicates(worker.name for worker in self.workers):
                problems.add(f"workers: {name!r} is listed twice")


@final
@frozen
class ScheduledJob:
    """A worker that runs by a schedule, once per occurrence, on any number of nodes.

    At most one run is planned or running, on all nodes together. The transaction that ends a
    run plans the next one. Occurrences that passed during a long run or a downtime are
    coalesced into one run; see `catch_up`.

    Raises:
        ConfigError: A value has the wrong type or is out of bounds, or the worker requires
            arguments and `request` is missing.
    """

    worker: AnyWorker
    """The worker that runs."""
    schedule: "Schedule"
    """The schedule, made by `bgjobs.schedules.schedule` or `bgjobs.schedules.every`."""
    name: str = field(default=Factory(_name_of_worker, takes_self=True), kw_only=True)
    """The name, unique among all processes of one store; by default that of the worker."""
    request: JobRequest | None = field(default=None, kw_only=True)
    """The arguments and the priority of each run; by default ``worker.request()``."""
    max_retries: int | None = field(default=None, kw_only=True)
    """How often a run that raised is retried before the next one is planned; None for that of
    the worker, or else 3."""
    backoff: Backoff | None = field(default=None, converter=as_optional_backoff, kw_only=True)
    """The delay before a retry: a policy of `bgjobs.backoff` or a function of the attempt; None
    for that of the worker, or else `Exponential()`."""
    catch_up: Literal["once", "never"] | int = field(default="once", kw_only=True)
    """What to do about occurrences that no process could run in time.

    ``"once"``: one late run for all of them. ``"never"``: no late run; an occurrence that does
    not start within `misfire_grace`, or within a second if that is None, is skipped. A number:
    after the waiting occurrence the missed ones are run, too, the oldest first, at most so many
    in a row.
    """
    misfire_grace: float | None = field(default=None, kw_only=True)
    """Seconds after which a run that has not started is skipped; None: it is never skipped."""
    jitter: float = field(default=0.0, kw_only=True)
    """The upper bound of a random delay of each run, in seconds."""
    poll_interval: float = field(default=10.0, kw_only=True)
    """Seconds between two polls of the store while no notification of a change arrives."""
    listeners: "Sequence[Listener]" = field(default=(), converter=_listeners, kw_only=True)
    """Functions called with the events of this job, before those of the configuration."""

    def __attrs_post_init__(self) -> None:
        with Problems(f"scheduled job {value_text(self.name)}") as problems:
            problems.name("name", self.name)
            if problems.one("worker", self.worker, Worker):
                self._check_request(problems)
            problems.having("schedule", self.schedule, "next_after", "a built schedule")
            problems.retries(self.max_retries, self.backoff)
            if isinstance(self.catch_up, int):
                problems.whole("catch_up", self.catch_up, least=1, most=1_000_000)
            elif self.catch_up not in ("once", "never"):
                found = value_text(self.catch_up)
                problems.add(f"catch_up: expected 'once', 'never' or a number, found {found}")
            if self.misfire_grace is not None:
                problems.seconds("misfire_grace", self.misfire_grace, least=SHORTEST_GRACE)
            problems.seconds("jitter", self.jitter)
            problems.seconds("poll_interval", self.poll_interval, least=0.01, most=LONGEST_POLL)
            problems.listeners("listeners", self.listeners)

    def run_request(self) -> JobRequest:
        """Return the request of each run: `request`, or else ``worker.request()``."""
        return self.worker.request() if self.request is None else self.request

    @property
    def recurrence(self) -> Recurrence:
        """The part of these settings that is stored in the row of the scheduled job."""
        grace = self.misfire_grace
        if grace is None and self.catch_up == "never":
            grace = ON_TIME
        return Recurrence(
            name=self.name,
            schedule=self.schedule.text,
            catch_up=self.catch_up if isinstance(self.catch_up, int) else 0,
            misfire_grace=None if grace is None else as_duration(grace),
            jitter=as_duration(self.jitter),
        )

    def _check_request(self, problems: Problems) -> None:
        if self.request is not None and not problems.one("request", self.request, JobRequest):
            return
        try:
            request = self.run_request()
        except (PayloadError, TypeError) as error:  # a missing argument is a TypeError
            problems.add(f"request: {error}; pass request=worker.request(...)")
            return
        if request.name != self.worker.name:
            problems.add(
                f"request: expected one of {self.worker.name!r}, found {request.name!r}"
            )
        if evolve(request.options, priority=0) != JobOptions():
            problems.add("request: expected no time and no unique key, which the schedule sets")


@final
@frozen(kw_only=True)
class Config:
    """One application: its store, the workers that this process runs, and its timings.

    All times are in seconds.

    Raises:
        ConfigError: A value has the wrong type or is out of bounds, two queues or two scheduled
            jobs have the same name, two workers of one name have different handlers, or
            `heartbeat_interval` is longer than a third of `lease`.
    """

    store: Store
    """The store of the jobs: a `SQLiteStore`, a `PostgresStore` or another `Store`."""
    queues: Sequence[Queue] = field(default=(), converter=_queues)
    """The queues that this process runs; none in a process that only enqueues."""
    scheduled_jobs: Sequence[ScheduledJob] = field(default=(), converter=_scheduled_jobs)
    """The scheduled jobs that this process runs."""
    enqueue_only: Sequence[AnyWorker] = field(default=(), converter=_workers)
    """Workers whose jobs this process may enqueue, while other processes run them."""
    listeners: "Sequence[Listener]" = field(default=(), converter=_listeners)
    """Functions called with every event; see `bgjobs.events`."""
    middleware: Sequence[Middleware] = field(default=(), converter=_middleware)
    """Functions of a job and its context that return async context managers, which are entered
    around each handler, also of scheduled jobs; the outermost first."""
    log_failures: bool = True
    """Whether to log a warning for each job that failed, unless `log_listener` logs it."""
    before_enqueue: Callable[[JobRequest], JobRequest] | None = None
    """A plain function called with each request; the request that it returns is stored.

    It is not called for the runs of scheduled jobs, nor by `enqueue_in` of a store.
    """
    lifespan: "Callable[[Client], AbstractAsyncContextManager[object]] | None" = None
    """A function of the client that returns an async context manager, such as one under
    `contextlib.asynccontextmanager`. `run` opens it before the first job, and closes it after
    the last handler has ended. What it yields is `JobContext.resources`.
    """
    lease: float = 20.0
    """How long a queue keeps its jobs after its last heartbeat; then they run again
    elsewhere."""
    heartbeat_interval: float = field(default=Factory(_quarter_of_lease, takes_self=True))
    """The time between two renewals of the leases, and between two reads of operators' commands
    of which no notification arrives; by default a quarter of `lease`."""
    sweep_interval: float = field(default=Factory(_quarter_of_lease, takes_self=True))
    """The time between two searches for expired leases; by default a quarter of `lease`."""
    grace: float = 10.0
    """How long handlers may continue when the application stops, before they are cancelled."""
    store_timeout: float = 30.0
    """How long a call retries an unreachable store before it raises `StoreUnavailableError`."""
    limits: Limits = field(factory=Limits)
    """How often a job may crash or be interrupted before it fails."""
    restart_tolerance: RestartTolerance = field(factory=RestartTolerance)
    """How often a queue or a service may crash before the application ends."""
    retention: Retention = field(factory=Retention)
    """How long ended jobs are kept before they are deleted."""
    migrate: bool = True
    """Whether `run` migrates an older schema; otherwise it raises `SchemaMismatchError`."""
    event_loop: Literal["trio", "asyncio"] = "trio"
    """The event loop of ``bgjobs run``; other programs choose one when they start."""
    clock: Clock = field(factory=SystemClock)
    """The source of the time; tests use `bgjobs.testing.VirtualClock`."""

    def __attrs_post_init__(self) -> None:
        with Problems("Config") as problems:
            problems.having("store", self.store, "reserve", "a store such as SQLiteStore(...)")
            problems.each("queues", self.queues, _is_queue, "a Queue")
            problems.each(
                "scheduled_jobs", self.scheduled_jobs, _is_scheduled, "a ScheduledJob"
            )
            problems.workers("enqueue_only", self.enqueue_only)
            problems.listeners("listeners", self.listeners)
            problems.middleware("middleware", self.middleware)
            problems.flag("log_failures", self.log_failures)
            if self.before_enqueue is not None:
                problems.plain("before_enqueue", self.before_enqueue)
            if wrong := problem_of_lifespan(self.lifespan):
                problems.add(f"lifespan: {wrong}")
            problems.seconds("heartbeat_interval", self.heartbeat_interval, above=0)
            problems.seconds("lease", self.lease, above=0)
            problems.seconds("sweep_interval", self.sweep_interval, above=0)
            problems.seconds("grace", self.grace, least=0)
            problems.seconds("store_timeout", self.store_timeout, above=0)
            problems.one("limits", self.limits, Limits)
            problems.one("restart_tolerance", self.restart_tolerance, RestartTolerance)
            problems.one("retention", self.retention, Retention)
            problems.flag("migrate", self.migrate)
            problems.choice("event_loop", self.event_loop, ("trio", "asyncio"))
            problems.having("clock", self.clock, "monotonic", "a Clock")
        # These checks rely on the types that were checked above.
        found = list(self._problems_of_the_whole())
        if found:
            raise ConfigError(found)

    def run_workers(self) -> Iterator[AnyWorker]:
        """Return all workers that this process runs, with repetitions."""
        scheduled = (job.worker for job in self.scheduled_jobs)
        return chain(*(queue.workers for queue in self.queues), scheduled)

    def all_workers(self) -> Iterator[AnyWorker]:
        """Return all workers that this process runs or may enqueue, with repetitions."""
        return chain(self.run_workers(), self.enqueue_only)

    def check(self) -> None:
        """Raise `ConfigError` if the configuration has no worker at all."""
        if not self.queues and not self.scheduled_jobs and not self.enqueue_only:
            problem = (
                "Config: expected a queue, a scheduled job or a worker in enqueue_only, "
                "found none of them"
            )
            raise ConfigError([problem])

    def _problems_of_the_whole(self) -> Iterator[str]:
        for name in duplicates(queue.name for queue in self.queues):
            yield f"queues: two have the name {name!r}"
        for name in duplicates(job.name for job in self.scheduled_jobs):
            yield f"scheduled_jobs: two have the name {name!r}"
        yield from ambiguous_handlers(self.all_workers())
        if self.heartbeat_interval * HEARTBEATS_PER_LEASE > self.lease:
            most = self.lease / HEARTBEATS_PER_LEASE
            yield (
                f"heartbeat_interval: expected at most a third of the lease ({most:g} s), "
                f"found {self.heartbeat_interval:g} s"
            )


def _is_scheduled(value: object) -> bool:
    return isinstance(value, ScheduledJob)


def _is_queue(value: object) -> bool:
    return isinstance(value, Queue)
