"""What runs: queues, scheduled jobs, their workers, and the settings of the whole, all frozen.

What is wrong is refused where it is given, all that was found as one `ConfigError`. Only that
there is nothing to do is found by `run`, as a configuration without queues can be administered.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar, cast, final

from attrs import Factory, evolve, field, frozen

from bgjobs._core.checks import LONGEST_TIME, Problems, duplicates
from bgjobs._core.clock import Clock, SystemClock
from bgjobs._core.occurrences import Recurrence
from bgjobs._core.outcomes import Limits
from bgjobs._core.requests import JobOptions, JobRequest
from bgjobs._core.text import value_text
from bgjobs._core.timestamps import as_duration
from bgjobs._core.workers import Worker
from bgjobs.backoff import Backoff, Exponential, as_backoff
from bgjobs.errors import ConfigError, PayloadError
from bgjobs.stores.port import Store

if TYPE_CHECKING:  # a third of the time that `import bgjobs` takes, and needed by no producer
    from bgjobs.events import Listener
    from bgjobs.schedules import Schedule

T = TypeVar("T")
AnyWorker: TypeAlias = Worker[..., Any]
"""A worker of any signature and result; a queue holds workers of many kinds."""

HEARTBEATS_PER_LEASE = 3
"""A lease outlives this many heartbeats, so that two may fail before it is lost."""


ON_TIME = 1.0
"""Seconds that a run may be late without having been missed, where no other grace is set."""
SHORTEST_GRACE = 0.1
"""Seconds; less than a reservation may take would let nothing run."""
LONGEST_POLL = 604_800.0
"""Seconds; a week serves tests in virtual time, where every look ends a jump of the clock."""


def _tuple(values: Iterable[T]) -> Sequence[T]:
    """Freeze a sequence; what is none is given back, to be refused with its name."""
    if isinstance(values, str | bytes):  # of which each character would be an entry
        return cast("Sequence[T]", values)
    if not isinstance(values, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance] - untyped callers
        return values
    return tuple(values)


# One for each type, since a type checker takes the type of a setting from its converter.
def _queues(values: "Iterable[Queue]") -> "Sequence[Queue]":
    return _tuple(values)


def _scheduled_jobs(values: "Iterable[ScheduledJob]") -> "Sequence[ScheduledJob]":
    return _tuple(values)


def _workers(values: Iterable[AnyWorker]) -> Sequence[AnyWorker]:
    return _tuple(values)


def _listeners(values: "Iterable[Listener]") -> "Sequence[Listener]":
    return _tuple(values)


def _quarter_of_lease(config: "Config") -> float:
    lease = config.lease
    # A wrong lease is refused by its own name, and only once.
    is_right = isinstance(lease, int | float) and 0 < lease <= LONGEST_TIME  # pyright: ignore[reportUnnecessaryIsInstance] - untyped callers
    return lease / 4 if is_right else 1.0


def _name_of_worker(job: "ScheduledJob") -> str:
    return job.worker.name if isinstance(job.worker, Worker) else ""  # pyright: ignore[reportUnnecessaryIsInstance] - untyped callers


@final
@frozen(kw_only=True)
class RestartTolerance:
    """How many crashes of one child are tolerated within a window of time."""

    restarts: int = 5
    """So many within the window are tolerated; one more ends the application."""
    within: float = 60.0
    """The window, in seconds."""
    backoff: Backoff = field(default=Exponential(base=0.1, maximum=5.0), converter=as_backoff)
    """How long to wait before a child is started again."""

    def __attrs_post_init__(self) -> None:
        with Problems("RestartTolerance") as problems:
            problems.whole("restarts", self.restarts, least=0)
            problems.seconds("within", self.within, above=0)
            problems.backoff("backoff", self.backoff)


@final
@frozen(kw_only=True)
class Retention:
    """How long ended jobs are kept, up to 36,500 days; None keeps them for ever."""

    succeeded: timedelta | None = timedelta(days=7)
    """How long a job that succeeded is kept."""
    failed: timedelta | None = None
    """How long a job that failed is kept."""
    interval: float = 60.0
    """Seconds between two looks for what is old enough."""

    def __attrs_post_init__(self) -> None:
        with Problems("Retention") as problems:
            problems.age("succeeded", self.succeeded)
            problems.age("failed", self.failed)
            problems.seconds("interval", self.interval, above=0)


@final
@frozen
class Queue:
    """A named set of workers that share their concurrency.

    Several queues may list one worker; each job is run by one of them.
    """

    name: str
    """Unique in this configuration."""
    workers: Sequence[AnyWorker] = field(converter=_workers, kw_only=True)
    """Whose jobs it runs; at least one."""
    concurrency: int = field(default=10, kw_only=True)
    """How many handlers run at once; sync handlers take one thread each."""
    max_retries: int = field(default=3, kw_only=True)
    """How often a job that raised is tried again: 3 means up to four runs."""
    backoff: Backoff = field(factory=Exponential, converter=as_backoff, kw_only=True)
    """How long it waits before that: a policy of `bgjobs.backoff` or a function."""
    poll_interval: float = field(default=2.0, kw_only=True)
    """Seconds between two looks at the store when nothing has told of a new job."""
    listeners: "Sequence[Listener]" = field(default=(), converter=_listeners, kw_only=True)
    """Told of this queue's events, before those of the whole configuration."""

    def __attrs_post_init__(self) -> None:
        with Problems(f"queue {value_text(self.name)}") as problems:
            problems.name("name", self.name)
            problems.whole("concurrency", self.concurrency, least=1, most=10_000)
            problems.whole("max_retries", self.max_retries, least=0, most=1_000_000)
            problems.seconds("poll_interval", self.poll_interval, least=0.01, most=LONGEST_POLL)
            problems.backoff("backoff", self.backoff)
            problems.listeners("listeners", self.listeners)
            problems.workers("workers", self.workers)
            if self.workers == ():
                problems.add("workers: expected at least one, found none")
        with Problems(f"queue {value_text(self.name)}") as problems:
            for name in duplicates(worker.name for worker in self.workers):
                problems.add(f"workers: {name!r} is listed twice")


@final
@frozen
class ScheduledJob:
    """A worker that runs whenever a schedule says, on any number of nodes.

    One planned run at a time: with its end the next one is planned, in the same transaction.
    What a long run or a downtime has missed coalesces into one run.
    """

    worker: AnyWorker
    """What runs."""
    schedule: "Schedule"
    """When it runs; see `bgjobs.schedules`."""
    name: str = field(default=Factory(_name_of_worker, takes_self=True), kw_only=True)
    """Unique in all processes on one store; the worker's name unless said."""
    request: JobRequest | None = field(default=None, kw_only=True)
    """What each run is called with: ``worker.request(...)``, without arguments unless said."""
    max_retries: int = field(default=3, kw_only=True)
    """How often a run that raised is tried again before the next one is planned."""
    backoff: Backoff = field(factory=Exponential, converter=as_backoff, kw_only=True)
    """How long it waits before that: a policy of `bgjobs.backoff` or a function."""
    catch_up: Literal["once", "never"] | int = field(default="once", kw_only=True)
    """What becomes of occurrences that nobody could run in time.

    ``"once"``: one late run for all of them. ``"never"``: no late run; what could not begin
    within `misfire_grace`, or else a second, is skipped. A number: after the one that waits
    the others are run too, the oldest first, up to so many in a row.
    """
    misfire_grace: float | None = field(default=None, kw_only=True)
    """Seconds after which a run that has not begun is skipped; None: however late it is."""
    jitter: float = field(default=0.0, kw_only=True)
    """Each run waits for a random time, up to so many seconds."""
    poll_interval: float = field(default=10.0, kw_only=True)
    """Seconds between two looks at the store when nothing has told of a change."""
    listeners: "Sequence[Listener]" = field(default=(), converter=_listeners, kw_only=True)
    """Told of this job's events, before those of the whole configuration."""

    def __attrs_post_init__(self) -> None:
        with Problems(f"scheduled job {value_text(self.name)}") as problems:
            problems.name("name", self.name)
            if problems.one("worker", self.worker, Worker):
                self._check_request(problems)
            problems.having("schedule", self.schedule, "next_after", "a built schedule")
            problems.whole("max_retries", self.max_retries, least=0, most=1_000_000)
            problems.backoff("backoff", self.backoff)
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

    def asked(self) -> JobRequest:
        """Give what each run is called with."""
        return self.worker.request() if self.request is None else self.request

    @property
    def recurrence(self) -> Recurrence:
        """What its rows carry of this."""
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
            asked = self.asked()
        except (PayloadError, TypeError) as error:  # a missing argument is a TypeError
            problems.add(f"request: {error}; say request=worker.request(...)")
            return
        if asked.name != self.worker.name:
            problems.add(f"request: expected one of {self.worker.name!r}, found {asked.name!r}")
        if evolve(asked.options, priority=0) != JobOptions():
            problems.add("request: expected no time and no unique key, which the schedule sets")


@final
@frozen(kw_only=True)
class Config:
    """One application: where jobs are stored and who runs which. All times in seconds."""

    store: Store
    """Where the jobs are kept: `SQLiteStore`, `PostgresStore` or one of yours."""
    queues: Sequence[Queue] = field(default=(), converter=_queues)
    """What this process runs; none in a process that only enqueues."""
    scheduled_jobs: Sequence[ScheduledJob] = field(default=(), converter=_scheduled_jobs)
    """What it runs by a schedule."""
    enqueue_only: Sequence[AnyWorker] = field(default=(), converter=_workers)
    """Workers whose jobs this process may enqueue although another one runs them."""
    listeners: "Sequence[Listener]" = field(default=(), converter=_listeners)
    """Told of every event; see `bgjobs.events`."""
    log_failures: bool = True
    """Log a warning for each job that failed for good, unless `log_listener` hears of it."""
    before_enqueue: Callable[[JobRequest], JobRequest] | None = None
    """Given each request that is enqueued here; what it gives back is stored.

    Not for the jobs of a schedule, nor for those that a store's `enqueue_in` stores.
    """
    lease: float = 20.0
    """How long a queue that is heard of no more keeps its jobs."""
    heartbeat_interval: float = field(default=Factory(_quarter_of_lease, takes_self=True))
    """How often this process renews its leases; a quarter of one unless said."""
    sweep_interval: float = field(default=Factory(_quarter_of_lease, takes_self=True))
    """How often it looks for ended leases, of any process; a quarter of one unless said."""
    grace: float = 10.0
    """How long handlers may go on when the application stops, before they are cancelled."""
    store_timeout: float = 30.0
    """How long a call waits for a store that is away, before it is an error."""
    limits: Limits = field(factory=Limits)
    """How often a job may crash or be interrupted."""
    restart_tolerance: RestartTolerance = field(factory=RestartTolerance)
    """How often a queue or a service may crash before the application ends."""
    retention: Retention = field(factory=Retention)
    """How long ended jobs are kept."""
    migrate: bool = True
    """Bring the schema up to date at start; without it an old schema is refused."""
    event_loop: Literal["trio", "asyncio"] = "trio"
    """What ``bgjobs run`` runs it on; a program of yours chooses by how it starts."""
    clock: Clock = field(factory=SystemClock)
    """Where the time comes from; tests give `bgjobs.testing.VirtualClock`."""

    def __attrs_post_init__(self) -> None:
        with Problems("Config") as problems:
            problems.having("store", self.store, "reserve", "a store such as SQLiteStore(...)")
            problems.each("queues", self.queues, _is_queue, "a Queue")
            problems.each(
                "scheduled_jobs", self.scheduled_jobs, _is_scheduled, "a ScheduledJob"
            )
            problems.workers("enqueue_only", self.enqueue_only)
            problems.listeners("listeners", self.listeners)
            problems.flag("log_failures", self.log_failures)
            if self.before_enqueue is not None:
                problems.plain("before_enqueue", self.before_enqueue)
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
        # Only now each value is known to be what it should be.
        found = list(self._problems_of_the_whole())
        if found:
            raise ConfigError(found)

    def all_workers(self) -> Iterator[AnyWorker]:
        """Give all workers that are run or may be enqueued here, repeats included."""
        scheduled = (job.worker for job in self.scheduled_jobs)
        return chain(*(queue.workers for queue in self.queues), scheduled, self.enqueue_only)

    def check(self) -> None:
        """Raise `ConfigError` if there is nothing to run and nothing to enqueue."""
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
        yield from _ambiguous_handlers(self.all_workers())
        if self.heartbeat_interval * HEARTBEATS_PER_LEASE > self.lease:
            most = self.lease / HEARTBEATS_PER_LEASE
            yield (
                f"heartbeat_interval: expected at most a third of the lease ({most:g} s), "
                f"found {self.heartbeat_interval:g} s"
            )


def check_handlers(workers: Iterable[AnyWorker]) -> None:
    """Raise `ConfigError` when two different handlers have one name."""
    problems = list(_ambiguous_handlers(workers))
    if problems:
        raise ConfigError(problems)


def _ambiguous_handlers(workers: Iterable[AnyWorker]) -> Iterator[str]:
    # By `!=`: a handler may be an object that has no hash.
    first: dict[str, Callable[..., object]] = {}
    clashing = {
        worker.name
        for worker in workers
        if first.setdefault(worker.name, worker.handler) != worker.handler
    }
    for name in sorted(clashing):
        yield f"workers: two different handlers have the name {name!r}"


def _is_scheduled(value: object) -> bool:
    return isinstance(value, ScheduledJob)


def _is_queue(value: object) -> bool:
    return isinstance(value, Queue)
