"""What the metrics need of a system: to be installed, to take jobs, to run them."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import anyio

from benchmarks.databases.ports import ScratchDatabase
from benchmarks.processes.messages import Recorder

Numbered = tuple[int, int]
"""The payload of every job: its number, and the time in ns that it is measured from, or 0."""


class Client(Protocol):
    """The side that stores jobs; each call has committed when it returns."""

    async def enqueue(self, i: int, t: int) -> None:
        """Store one job."""
        ...

    async def enqueue_many(self, jobs: Sequence[Numbered]) -> None:
        """Store many in one call."""
        ...


class System(ABC):
    """A library in one configuration; the handler of its jobs only calls `Recorder.record`."""

    backend = "asyncio"
    uvloop = False
    has_many = True
    """Whether the library has a call for many jobs at once."""
    has_tasks = False
    """Whether enqueueing from many tasks is measured too."""
    live: str
    """A query for the number of jobs that are not finished."""
    ended = ""
    """A query for the number of finished jobs, where the system keeps them."""
    version: str
    config: Mapping[str, Any]
    scratch: ScratchDatabase

    @abstractmethod
    async def install(self) -> None:
        """Create the system's tables in the empty scratch database."""

    @abstractmethod
    def client(self) -> AbstractAsyncContextManager[Client]:
        """Connect, for enqueueing."""

    @abstractmethod
    async def work(self, recorder: Recorder, stop: anyio.Event) -> None:
        """Run jobs until `stop` is set; call `recorder.ready()` once the worker takes jobs."""


def ignore(_: int, __: int) -> None:
    """Do nothing: the handler of a process that only enqueues."""
