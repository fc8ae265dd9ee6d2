"""Rows are written while the application runs; later another one clears up what is left."""

import resource
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from random import Random
from typing import final
from uuid import UUID

import anyio
from anyio.to_thread import run_sync
from attrs import define, field

import bgjobs
from tests.reliability.hostile_rows.application import WORKERS, Heard, capped, config_of, plain
from tests.reliability.hostile_rows.places import Place
from tests.reliability.hostile_rows.rows import Row, Rows
from tests.reliability.hostile_rows.values import MOST_LARGE, Values

BATCH = 25
"""Rows that are written in one go, and then one good job for each queue."""
PATIENCE = 240.0
"""Seconds for what has to happen at last."""
_STATM = Path("/proc/self/statm")


@final
@define(eq=False)
class Played:
    """What became of one run."""

    heard: Heard = field(factory=Heard)
    later: Heard = field(factory=Heard)
    """By the application that cleared up."""
    good: set[UUID] = field(factory=set[UUID])
    rss: list[int] = field(factory=list[int])
    """Bytes of this process, as the rows were written."""

    @property
    def growth(self) -> int:
        """How many bytes the process has grown since a tenth of the rows was written."""
        warm = self.rss[len(self.rss) // 10 :]
        return max(warm) - warm[0]


async def play(place: Place, seed: int, rows: int, played: Played) -> None:
    """Write so many rows while the application runs, half of them without the bounds."""
    random = Random(seed)
    made = Rows(random, Values(random, place.is_postgres, MOST_LARGE / 2 / rows)).make(rows)
    config = config_of(place.store("worker"), played.heard)
    async with bgjobs.run(config) as bg:
        for number, batch in enumerate(_batches(made)):
            if number == rows // BATCH // 2:
                await run_sync(place.remove_limits)
            await run_sync(place.write, batch)
            await _add_good(bg, played, number)
            played.rss.append(_rss())
        await _check_alive(bg, played.heard)
        played.rss.append(_rss())


async def clear_up(place: Place, played: Played) -> None:
    """Run the application until nothing of its workers is due any more."""
    place.free_all()
    async with bgjobs.run(config_of(place.store("worker"), played.later)) as bg:
        with anyio.move_on_after(PATIENCE):
            while await run_sync(place.due, WORKERS):
                await anyio.sleep(0.2)
        await _check_alive(bg, played.later)


async def _add_good(bg: bgjobs.BgJobs, played: Played, number: int) -> None:
    for worker in (plain, capped):
        job = await bg.enqueue(worker.request(n=number))
        played.good.add(job.id)


async def _check_alive(bg: bgjobs.BgJobs, heard: Heard) -> None:
    """Wait until a new job of each queue is done, and until the schedule has run again."""
    ticks = heard.ticks
    with anyio.fail_after(PATIENCE):
        for worker in (plain, capped):
            job = await bg.enqueue(worker.request(n=0))
            assert isinstance(await bg.wait_for(job), bgjobs.SucceededJob)
        while heard.ticks < ticks + 2:
            await anyio.sleep(0.1)


def _batches(rows: Iterable[Row]) -> Iterable[list[Row]]:
    iterator = iter(rows)
    while batch := list(islice(iterator, BATCH)):
        yield batch


def _rss() -> int:
    return int(_STATM.read_text().split()[1]) * resource.getpagesize()
