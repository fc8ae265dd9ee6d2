"""The play of one seed: its world, run by the real runtime in virtual time, and its verdict."""

from collections.abc import Callable, Coroutine, Generator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from datetime import tzinfo
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, final
from zoneinfo import ZoneInfo

import anyio
from attrs import field, frozen

import bgjobs
from bgjobs import Store
from bgjobs._core.config import RestartTolerance
from bgjobs.backoff import Constant
from bgjobs.testing import virtual_backend
from tests.fixtures.sqlite import fresh_sqlite_store
from tests.fixtures.zone_data import zones
from tests.reliability.clock_jumps.history import history_of
from tests.reliability.clock_jumps.promises import PROMISES, no_errors, no_standstill, on_time
from tests.reliability.clock_jumps.trace import (
    Clocks,
    HandlerEnded,
    Jump,
    ProcessClock,
    Started,
    Stopped,
    Trace,
)
from tests.reliability.clock_jumps.worlds import AGES, CITY, Life, TimedJob, World, world_of
from tests.reliability.simulation.determinism import deterministic

Loop = Literal["trio", "asyncio"]


class SharedStore:
    """A store that stays open while processes over it start and stop."""

    def __init__(self, store: bgjobs.Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def open(self) -> None: ...
    def close(self) -> None: ...


def play(world: World, store: Any, folder: Path, loop: Loop = "trio") -> Trace:
    """Run a world over a store that is open and migrated; return what was observed."""
    name, options = virtual_backend(loop)
    clocks = Clocks(world.start)
    stage = _Stage(world, SharedStore(store), folder, Trace(clocks))
    with deterministic(world.seed, clocks):
        anyio.run(stage.play, backend=name, backend_options=options)
    return stage.trace


@final
@frozen
class _Stage:
    world: World
    store: Any
    folder: Path
    trace: Trace
    _numbers: Iterator[int] = field(factory=count, init=False)

    async def play(self) -> None:
        self.trace.clocks.right()
        for number, life in enumerate(self.world.lives):
            await anyio.sleep(life.down)
            for jump in life.before:
                self.trace.jump(jump)
            with self._zones_of(life, number):
                await self._live(life)

    async def _live(self, life: Life) -> None:
        trace = self.trace
        trace.steps, trace.jumps = 0, [one for one in life.jumps if one.at is None]
        async with AsyncExitStack() as processes:
            trace.note(Started(self._known_zones()))
            for node in range(life.nodes):
                await processes.enter_async_context(bgjobs.run(self._config(node)))
            async with anyio.create_task_group() as tasks:
                for jump in life.jumps:
                    if jump.at is not None:
                        tasks.start_soon(self._jump_at, jump, jump.at)
                await anyio.sleep(life.span)
            trace.jumps = []
            trace.note(Stopped())

    async def _jump_at(self, jump: Jump, seconds: float) -> None:
        await anyio.sleep(seconds)
        self.trace.jump(jump)

    @contextmanager
    def _zones_of(self, life: Life, number: int) -> Generator[None]:
        if life.rule is None:
            yield
            return
        with zones(self.folder / f"{self.world.seed}-{number}", **{CITY: life.rule}):
            yield

    def _known_zones(self) -> Mapping[str, tzinfo]:
        names = {job.form.zone for job in self.world.jobs} - {"UTC"}
        return {name: ZoneInfo(name) for name in names}

    def _config(self, node: int) -> bgjobs.Config:
        return bgjobs.Config(
            store=self.store,
            scheduled_jobs=[self._scheduled(job) for job in self.world.jobs],
            clock=ProcessClock(self.trace.clocks),
            listeners=[self.trace.listener(node)],
            lease=self.world.lease,
            heartbeat_interval=self.world.heartbeat,
            sweep_interval=self.world.lease,
            retention=bgjobs.Retention(interval=AGES),
            restart_tolerance=RestartTolerance(restarts=1_000),
        )

    def _scheduled(self, job: TimedJob) -> bgjobs.ScheduledJob:
        return bgjobs.ScheduledJob(
            bgjobs.worker(name=job.name)(self._handler(job)),
            job.form.build(),
            name=job.name,
            catch_up=job.catch_up,
            misfire_grace=job.misfire_grace,
            jitter=job.jitter,
            max_retries=1,
            backoff=Constant(job.backoff),
            poll_interval=job.poll,
        )

    def _handler(
        self, job: TimedJob
    ) -> Callable[[bgjobs.JobContext], Coroutine[Any, Any, None]]:
        async def handle(context: bgjobs.JobContext) -> None:
            fails = job.fails and next(self._numbers) % job.fails == 0
            await anyio.sleep(job.lasts)
            self.trace.note(HandlerEnded(context.job.id))
            if fails:
                raise ConnectionError("reset")

        return handle


def problems_of(world: World, trace: Trace) -> Sequence[str]:
    """Return the broken promises of a trace."""
    problems: list[str] = []
    for job in world.jobs:
        history = history_of(job, trace, world)
        checks = [*PROMISES, no_standstill, on_time]
        if world.lease == AGES:
            checks.append(no_errors)
        for check in checks:
            problems += [f"{job.name}: {text}" for text in check(history)]
    return problems


class BrokenPromiseError(AssertionError):
    """A seed breaks a promise."""


def run_seed(seed: int, loop: Loop = "trio") -> tuple[Trace, Sequence[str]]:
    """Run a seed over a store in memory; return its trace and the broken promises."""
    with fresh_sqlite_store(":memory:") as store:
        return run_seed_on(store, seed, loop)


def run_seed_on(store: Store, seed: int, loop: Loop) -> tuple[Trace, Sequence[str]]:
    """Run a seed over an open store, which several seeds may share; see `run_seed`."""
    world = world_of(seed)
    with TemporaryDirectory() as folder:
        trace = play(world, store, Path(folder), loop)
    return trace, problems_of(world, trace)


def check(seed: int, loop: Loop = "trio") -> None:
    """Raise `BrokenPromiseError`, with the command that replays the seed, if it fails."""
    raise_if_wrong(seed, loop, run_seed(seed, loop)[1])


def raise_if_wrong(seed: int, loop: Loop, problems: Sequence[str]) -> None:
    """Raise `BrokenPromiseError`, with the command that replays the seed, if any."""
    if problems:
        replay = f"replay: python -m tests.reliability.clock_jumps --seed {seed} --loop {loop}"
        raise BrokenPromiseError("\n".join([*problems, replay]))
