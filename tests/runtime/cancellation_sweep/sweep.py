"""Disturb an operation at every point in turn, each time from the start, in memory.

The points are the steps of all tasks between the beginning of the operation and its end, so
it is met while it runs and while it waits. At each it is cancelled once. Then each call of
the store fails once, before it has changed anything and after that.
"""

import itertools
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Any, TypeAlias, final, get_args

import trio
from attrs import define, evolve, field, frozen
from trio.testing import MockClock

import bgjobs
from bgjobs._core.exceptions import unwrapped
from bgjobs._core.jobs import AnyJob, EndState, Job, LiveState
from bgjobs.errors import StoreUnavailableError
from bgjobs.events import (
    ChildCrashed,
    Event,
    ListenerFailed,
    OwnerDied,
    QueueError,
    ReservationLost,
)
from bgjobs.testing import VirtualClock
from tests.runtime.cancellation_sweep.store import WRITING, Disturbance, MemoryStore

AGES = 1e9
FEW = 7
"""How many pairs of a step and a call are tried in addition."""
RETRY_STEPS = 10
UNEXPECTED = (ChildCrashed, ReservationLost, ListenerFailed, OwnerDied, QueueError)
PATIENCE = 100 * 86_400
"""Seconds of virtual time after which the application must be deadlocked."""
RARELY = 604_800.0

State: TypeAlias = dict[str, tuple[str, ...]]
"""What is stored for each worker: the states of its jobs and the effects of their runs."""
Allowed: TypeAlias = Mapping[str, set[tuple[str, ...]]]


@final
class Steps(trio.abc.Instrument):
    """Counts the steps of an operation, and cancels it before one of them."""

    def __init__(self, at: int | None) -> None:
        self.count = 0
        self._at = at
        self._scope: trio.CancelScope | None = None

    def begin(self, scope: trio.CancelScope) -> None:
        self._scope = scope
        self._cancel_when_due()

    def end(self) -> None:
        self._scope = None

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if self._scope is not None:
            self.count += 1
            self._cancel_when_due()

    def _cancel_when_due(self) -> None:
        if self._scope is not None and self.count == self._at:
            self._scope.cancel()


STATES = get_args(LiveState) + get_args(EndState)


@final
@define
class World:
    """One run of an operation: a store, a clock, and the disturbance."""

    disturbance: Disturbance
    steps: Steps
    store: MemoryStore
    clock: VirtualClock = field(factory=VirtualClock)
    unexpected: list[Event] = field(factory=list[Event])
    """A listener for events that no disturbance may cause."""
    returned: int = 0
    """The handlers that have returned."""
    _scope: trio.CancelScope = field(factory=trio.CancelScope, init=False)

    def config(self, **settings: Any) -> bgjobs.Config:
        """Return the configuration of an application over this store."""
        rare = {
            "listeners": [self.record],
            "lease": AGES,
            "heartbeat_interval": AGES / 3,
            "sweep_interval": AGES,
            "retention": bgjobs.Retention(interval=AGES),
            "grace": 5,
        }
        return bgjobs.Config(store=self.store, clock=self.clock, **{**rare, **settings})

    def record(self, event: Event) -> None:
        if isinstance(event, UNEXPECTED):
            self.unexpected.append(event)

    @asynccontextmanager
    async def running(self, **settings: Any) -> AsyncIterator[bgjobs.BgJobs]:
        """Run an application that nothing cancels; one call of its store may fail."""
        async with bgjobs.run(self.config(**settings)) as bg:
            yield bg

    @contextmanager
    def disturbed(self, *, at_once: bool = True) -> Generator[None]:
        """Apply the disturbance in this block, at once or from `begin` on."""
        with trio.CancelScope() as self._scope:
            if at_once:
                self.begin()
            try:
                yield
            except Exception as error:
                if not isinstance(unwrapped(error), StoreUnavailableError):
                    raise
                assert self.disturbance.call is not None
            finally:
                self.store.counting = False
                self.steps.end()

    def begin(self) -> None:
        """Count steps and calls from now on, unless they are counted already."""
        if not self.store.counting:
            self.steps.begin(self._scope)
            self.store.counting = True

    def state(self) -> State:
        """Return what is stored now."""
        assert not self.store.raw.in_transaction
        labels: dict[str, list[str]] = {}
        for job in self.jobs():
            labels.setdefault(job.name, []).append(label(job))
        for (name,) in self.store.raw.execute("select name from effects"):
            labels.setdefault(name, []).append("effect")
        for (name,) in self.store.raw.execute("select name from bgjobs_owners"):
            labels.setdefault(f"owner {name}", []).append("open")
        return {name: tuple(sorted(found)) for name, found in labels.items()}

    def jobs(self) -> Sequence[AnyJob]:
        """Return all jobs that are stored."""
        real = self.store.real
        return [one for state in STATES for one in real.list(bgjobs.JobFilter(state))]

    def details(self) -> tuple[tuple[str, int, int], ...]:
        """Return everything stored that can affect an application that starts from here."""
        found = ((label(one), one.reservations, one.interruptions) for one in self.jobs())
        return tuple(sorted(found))


def label(job: AnyJob) -> str:
    """Return the state of a job in a few words."""
    words = [_kind(job)]
    for count, what in ((job.attempts, "tried"), (job.crashes, "crashed")):
        words += [f"{what} {count}"] if count else []
    return ", ".join(words)


def _kind(job: AnyJob) -> str:
    if not isinstance(job, Job):
        return job.state
    if job.reserved_by is not None:
        return "reserved"
    if job.occurrence is None:
        return "waiting"
    return (
        "paused" if job.occurrence.paused else f"planned {job.occurrence.recurrence.schedule}"
    )


CURRENT: ContextVar[World] = ContextVar("CURRENT")
"""The world of the running operation, for handlers, which get only their job."""


@final
@frozen(kw_only=True)
class Operation:
    """An operation to disturb, and what may be stored afterwards."""

    name: str
    live: Callable[[World], Awaitable[None]]
    """Calls `World.disturbed` around what is swept."""
    allowed: Allowed
    """The allowed ends of the jobs of each worker; other workers may have no jobs."""
    untouched: State | None = None
    """What is stored if it was cancelled before it began; None if it begins nevertheless."""
    stride: int = 1
    """It is cancelled before every step, or every second if others cover the same steps."""
    commands: int = 1
    """In how many orders of tasks it is tried."""
    finish: Callable[[World, State], Awaitable[None]]
    """Starts the application again and checks that all jobs end as they should."""


@frozen
class Swept:
    """How many disturbances a sweep tried."""

    steps: int
    calls: Sequence[str]
    plays: int = 1


@final
class Sweep:
    """Disturbs one operation at every point."""

    def __init__(self, operation: Operation) -> None:
        self._operation = operation
        self._store = MemoryStore()
        self._finished: set[object] = set()
        """States from which the application has been checked already."""

    def everywhere(self) -> Swept:
        """Run the operation with each disturbance. Return how many there were."""
        try:
            whole = self._play(Disturbance())
            alone = [*self._disturbances(whole), *self._in_other_orders()]
            both = self._both(whole) if whole.steps * len(whole.calls) <= FEW else []
            for disturbance in (*alone, *both):
                self._play(disturbance)
        finally:
            self._store.real.close()
        return evolve(whole, plays=1 + len(alone) + len(both))

    def _disturbances(self, whole: Swept) -> list[Disturbance]:
        """Yield each point of the undisturbed operation."""
        steps = [
            Disturbance(step=step) for step in range(0, whole.steps + 1, self._operation.stride)
        ]
        return [
            *steps,
            *(Disturbance(call=one, committed=done) for one, done in _faults(whole)),
        ]

    def _in_other_orders(self) -> Iterator[Disturbance]:
        """Yield the steps again, with other orders of tasks that are ready at once."""
        for order in range(1, self._operation.commands):
            whole = self._play(Disturbance(order=order))
            yield from (Disturbance(step=n, order=order) for n in range(whole.steps + 1))

    def _both(self, whole: Swept) -> list[Disturbance]:
        """Yield each pair of a call that fails and a step, including steps of the retry."""
        steps = range(1, whole.steps + RETRY_STEPS)
        return [
            Disturbance(call=call, committed=done, step=step)
            for (call, done), step in itertools.product(_faults(whole), steps)
        ]

    def _play(self, disturbance: Disturbance) -> Swept:
        steps = Steps(disturbance.step)
        self._store.prepare(disturbance)
        # Trio takes the order of tasks from it, so each run has the same points.
        trio._core._run._r.seed(disturbance.order)
        world = World(disturbance, steps, self._store)
        CURRENT.set(world)
        clock = MockClock(autojump_threshold=0)
        try:
            trio.run(self._in_time, world, clock=clock, instruments=[steps])
        except BaseException as error:
            error.add_note(f"{self._operation.name}: {disturbance} {self._store.failed}")
            raise
        return Swept(steps.count, tuple(self._store.calls))

    async def _in_time(self, world: World) -> None:
        with trio.fail_after(PATIENCE):
            await self._judge(world)

    async def _judge(self, world: World) -> None:
        tasks = trio.lowlevel.current_statistics().tasks_living
        await self._operation.live(world)
        assert trio.lowlevel.current_statistics().tasks_living == tasks
        state = self._known(world)
        self._check(world, state)
        if world.details() not in self._finished:
            self._finished.add(world.details())
            await self._operation.finish(world, state)
            assert trio.lowlevel.current_statistics().tasks_living == tasks

    def _check(self, world: World, state: State) -> None:
        assert not self._store.is_open or self._store.failed == "close"
        excused = QueueError if self._store.failed else ()
        assert [event for event in world.unexpected if not isinstance(event, excused)] == []
        if world.disturbance == Disturbance(step=0) and self._operation.untouched is not None:
            assert state == self._operation.untouched
        for name in state.keys() | self._operation.allowed.keys():
            assert state.get(name, ()) in self._operation.allowed.get(name, {()}), state

    def _known(self, world: World) -> State:
        """Return the state without an owner whose creation had no answer."""
        if world.disturbance.committed and self._store.failed == "open_owner":
            self._store.raw.execute("delete from bgjobs_owners")
        return world.state()


def _faults(whole: Swept) -> list[tuple[int, bool]]:
    """Yield the calls that fail: each before it is done and, if it writes, also after that."""
    numbered = list(enumerate(whole.calls, start=1))
    after = [(call, True) for call, verb in numbered if verb in WRITING]
    return [*((call, False) for call, _ in numbered), *after]
