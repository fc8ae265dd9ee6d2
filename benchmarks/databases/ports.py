"""What the benchmarks need of a database: tables of their own, empty or full at once."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Protocol, final
from uuid import UUID

from attrs import frozen

from bgjobs import Store

ROW_ID = "01900000-0000-7000-8000-"
"""Ids of rows made in SQL begin with this and end with their number, so they ascend."""


@final
@frozen(kw_only=True)
class Population:
    """How many rows of which kind stand in the tables."""

    waiting: int
    names: int = 1
    """Worker names among which the live jobs are spread evenly."""
    finished: int = 0
    delayed: int = 0

    @property
    def worker_names(self) -> list[str]:
        """The names of the live jobs' workers."""
        return [f"worker_{number}" for number in range(self.names)]


@final
@frozen(kw_only=True)
class Address:
    """How a worker process finds a place: see `benchmarks.processes.parameters` and `benchmarks.systems.bgjobs`."""

    dsn: str = ""
    database: str = ""
    options: Mapping[str, str]


class Place(Protocol):
    """A set of bgjobs tables, used by one benchmark and then thrown away."""

    @property
    def address(self) -> Address:
        """Where it is."""
        ...

    @property
    def store(self) -> Store:
        """A store on these tables, migrated and not open."""
        ...

    def tidy(self) -> None:
        """Bring statistics up to date and write out what is dirty, as a quiet hour would."""
        ...

    def has_live_jobs(self) -> bool:
        """Say, from a connection that is not the store's, whether anything is unfinished."""
        ...

    def hold_still(self) -> None:
        """Let the server not vacuum by itself, where single calls are timed."""
        ...

    def fill(self, population: Population) -> None:
        """Fill the tables, each with one statement; the payloads number the live jobs."""
        ...

    def fill_failed(self, failed: int, unreadable: int) -> None:
        """Store failed jobs of ten workers, and rows that were set apart.

        The error of each has the word ``timeout``, that of one in a hundred thousand ``rare``.
        """
        ...

    def plan(self, owner: UUID, names: list[str], limit: int) -> str:
        """Explain how `reserve` is executed."""
        ...


class Database(Protocol):
    """A database that benchmarks can run on."""

    @property
    def name(self) -> str:
        """For the tables."""
        ...

    @property
    def facts(self) -> dict[str, str]:
        """What must be known of it to read the figures."""
        ...

    def place(self) -> AbstractContextManager[Place]:
        """Give new tables for the length of the block."""
        ...
