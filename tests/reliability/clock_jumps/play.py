"""A world, lived through by the real runtime in virtual time."""

from collections.abc import Callable, Coroutine, Generator, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from datetime import tzinfo
from itertools import count
from pathlib import Path
from typing import Any, Literal, final
from zoneinfo import ZoneInfo

import anyio
from attrs import field, frozen

import bgjobs
from bgjobs.backoff import Constant
from bgjobs.config import RestartTolerance
from bgjobs.testing import virtual_backend
from tests.fixtures.zone_data import zones
from tests.reliability.clock_jumps.clocks import Clocks, Jump, ProcessClock
from tests.reliability.clock_jumps.trace import Born, Gone, HandlerEnded, Trace
from tests.reliability.clock_jumps.worlds import AGES, CITY, Life, Timed, World
from tests.simulation.entropy import entropy_of

Loop = Literal["trio", "asyncio"]


class Kept:
    """A store that stays open while processes over it come and go."""

    def __init__(self, store: bgjobs.Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def open(self) -> None: ...
    def close(self) -> None: ...


def play(world: World, store: Any, folder: Path, loop: Loop = "trio") -> Trace:
    """Live through a world, over a store that is open and has its schema."""
    name, options = virtual_backend(loop)
    clocks = Clocks(world.start)
    stage = _Stage(world, Kept(store), folder, Trace(clocks))
    with entropy_of(world.seed, clocks):
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
            trace.note(Born(self._known_zones()))
            for node in range(life.nodes):
                await processes.enter_async_context(bgjobs.run(self._config(node)))
            async with anyio.create_task_group() as tasks:
                for jump in life.jumps:
                    if jump.at is not None:
                        tasks.start_soon(self._jump_at, jump, jump.at)
                await anyio.sleep(life.span)
            trace.jumps = []
            trace.note(Gone())

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

    def _scheduled(self, job: Timed) -> bgjobs.ScheduledJob:
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

    def _handler(self, job: Timed) -> Callable[[bgjobs.JobContext], Coroutine[Any, Any, None]]:
        async def handle(context: bgjobs.JobContext) -> None:
            fails = job.fails and next(self._numbers) % job.fails == 0
            await anyio.sleep(job.lasts)
            self.trace.note(HandlerEnded(context.job.id))
            if fails:
                raise ConnectionError("reset")

        return handle
