"""What the benchmarks need of a database: filled bgjobs tables, and scratch databases."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, Protocol, final

from attrs import frozen

if TYPE_CHECKING:  # the speed guard runs this module over an older bgjobs
    from bgjobs import Store

ROW_ID = "01900000-0000-7000-8000-"
"""The prefix of the ids of rows made in SQL; the row's number follows, so the ids ascend."""


@final
@frozen(kw_only=True)
class Population:
    """How many rows of each kind the tables contain."""

    waiting: int
    names: int = 1
    """Worker names among which the live jobs are spread evenly."""
    finished: int = 0
    delayed: int = 0

    @property
    def worker_names(self) -> list[str]:
        """The names of the live jobs' workers."""
        return [f"worker_{number}" for number in range(self.names)]

    def __str__(self) -> str:
        names = "1 name" if self.names == 1 else f"{self.names} names"
        parts = [f"{self.waiting:,} waiting", names]
        if self.finished:
            parts.append(f"{self.finished:,} finished")
        if self.delayed:
            parts.append(f"{self.delayed:,} delayed")
        return ", ".join(parts)


@final
@frozen(kw_only=True)
class Address:
    """Where a worker process finds the tables."""

    dsn: str = ""
    database: str = ""
    options: Mapping[str, str]
    """A part of `benchmarks.systems.bgjobs.Settings`."""


class Tables(Protocol):
    """A set of bgjobs tables, used by one measurement and then dropped."""

    @property
    def address(self) -> Address:
        """Where they are."""
        ...

    @property
    def store(self) -> "Store":
        """A store on these tables, migrated and not open."""
        ...

    def analyze(self) -> None:
        """Update the statistics and write dirty pages, as happens in a quiet hour."""
        ...

    def has_live_jobs(self) -> bool:
        """Whether a job is unfinished, read from a connection that is not the store's."""
        ...

    def disable_autovacuum(self) -> None:
        """Keep the server from vacuuming while single calls are timed."""
        ...

    def fill(self, population: Population) -> None:
        """Fill the tables, each with one statement; the payloads number the live jobs."""
        ...

    def fill_failed(self, failed: int, unreadable: int, before: int = 0) -> None:
        """Store failed jobs of ten workers, and unreadable rows.

        The ids of the failed jobs follow those of `before` other jobs.
        Each error contains the word ``timeout``, and one in a hundred thousand ``rare``.
        """
        ...

    def open_transaction(self) -> AbstractContextManager[None]:
        """Keep a transaction open that can see all rows of now, for the length of the block."""
        ...

    def server_processes(self) -> Sequence[int]:
        """Return the ids of the processes of this machine that serve connections to it."""
        ...

    def explain(self, statement: str | bytes, values: Mapping[str, Any]) -> str:
        """Return how the database executes a statement, and undo what it changed."""
        ...


class Database(Protocol):
    """A database that benchmarks can run on."""

    @property
    def name(self) -> str:
        """The name in tables."""
        ...

    @property
    def environment(self) -> Mapping[str, str]:
        """The version and the settings that the figures depend on."""
        ...

    def tables(self) -> AbstractContextManager[Tables]:
        """Create tables for the length of the block."""
        ...


class ScratchDatabase(Protocol):
    """A database or file of one system, new for each metric, which keeps out old bloat."""

    def recreate(self) -> None:
        """Drop it if it exists, and create it empty."""
        ...

    def analyze(self) -> None:
        """Update the statistics and write dirty pages."""
        ...

    def query_number(self, query: str) -> int:
        """Return the single number that a query selects, over a connection of its own."""
        ...

    def server_processes(self) -> Sequence[int]:
        """Return the ids of the processes of this machine that serve connections to it."""
        ...

    def drop(self) -> None:
        """Drop it."""
        ...


@contextmanager
def opened(tables: Tables) -> "Iterator[Store]":
    """Open the store of the tables for the length of the block."""
    tables.store.open()
    try:
        yield tables.store
    finally:
        tables.store.close()
