"""Many seeds one after the other, in one process or in several."""

import gc
from collections.abc import Iterator
from multiprocessing import get_context

from attrs import evolve

from tests.reliability.simulation.simulation import Result, simulate

CHUNK = 20
"""Seeds between two collections of garbage."""


def results(seeds: range, processes: int) -> Iterator[Result]:
    """Give the results of all seeds in their order, without their steps."""
    chunks = [seeds[at : at + CHUNK] for at in range(0, len(seeds), CHUNK)]
    if processes == 1:
        for chunk in chunks:
            yield from run_chunk(chunk)
        return
    with get_context("spawn").Pool(processes) as pool:
        for done in pool.imap(run_chunk, chunks):
            yield from done


def run_chunk(seeds: range) -> list[Result]:
    """Run some seeds; garbage is collected before them, not in the middle of one."""
    gc.collect()
    gc.freeze()
    gc.disable()
    return [evolve(simulate(seed), steps=()) for seed in seeds]
