"""What every process is given: its settings, as JSON, and the journal that it writes to."""

import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias, final

from attrs import asdict, evolve, field, frozen

import bgjobs
from bgjobs.stores.postgres import PostgresStore
from bgjobs.stores.sqlite import SQLiteStore
from tests.fixtures.databases import Database, PostgresSchema, SQLiteFile

Line: TypeAlias = list[Any]
"""The kind of event, and its details; they are read from JSON, hence Any."""


@final
class Journal:
    """A file to which all processes append what happens."""

    def __init__(self, path: str) -> None:
        # The system appends atomically, so lines of several processes do not mix.
        self._file = os.open(path, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o644)

    def write(self, what: str, *details: Any) -> None:
        """Append one line."""
        os.write(self._file, f"{json.dumps([what, *details])}\n".encode())


def lines_of(path: Path) -> Iterator[Line]:
    """Yield the complete lines that were written so far."""
    text = path.read_text() if path.exists() else ""
    for line in text[: text.rfind("\n") + 1].splitlines():
        yield json.loads(line)


def write_line(line: str) -> None:
    """Write a line to stdout, and flush it."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def monotonic() -> float:
    """Return the time of the monotonic clock that all processes of a machine share."""
    return time.clock_gettime(time.CLOCK_MONOTONIC)


def _to_tuple(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(values)


@final
@frozen(kw_only=True)
class ProcessSettings:
    """Where to run, what to run, how long leases last, and which faults to inject itself."""

    location: str
    """A path of a file, or a connection string."""
    schema: str = ""
    """Empty for SQLite."""
    journal: str
    """The path of the journal."""
    program: str = "tests.reliability.chaos.processes.worker:main"
    """``module:function``, which is called with these settings in a process of its own."""
    backend: str = "trio"
    concurrency: int = 4
    lease: float = 1.0
    grace: float = 1.0
    busy_timeout: float = 10.0
    unfenced: bool = False
    """Whether jobs are settled without the fence, to see that the checker finds duplicates."""
    misbehaviour: bool = False
    """Whether to enqueue jobs with misbehaving handlers, and to add misbehaving listeners."""
    kill_at: str = ""
    """The fault point at which the process kills itself; see `processes.stores`."""
    stop_at: tuple[str, ...] = field(default=(), converter=_to_tuple)
    """The fault points at which the process stops itself until the cluster resumes it."""
    nth: int = 1
    """How often the points have to be passed before the process kills or stops itself."""
    config_hooks: tuple[str, ...] = field(default=(), converter=_to_tuple)
    """``module:function``s that change the configuration of a worker."""
    details: Mapping[str, Any] = field(factory=dict[str, Any])
    """JSON values that a fault passes to its own functions."""

    def to_json(self) -> str:
        """Return the settings as JSON, for `settings_from_json`."""
        return json.dumps(asdict(self))

    @property
    def database(self) -> Database:
        """The database that `location` leads to."""
        if self.schema:
            return PostgresSchema(self.location, self.schema)
        return SQLiteFile(Path(self.location))

    def table(self, name: str) -> str:
        """Return the full name of a table that lies beside those of the store."""
        return f'"{self.schema}".{name}' if self.schema else name

    def store(self) -> bgjobs.Store:
        """Return a closed store with a small pool, as many processes share one server."""
        if self.schema:
            return PostgresStore(self.location, schema=self.schema, pool_size=2)
        return SQLiteStore(self.location, busy_timeout=self.busy_timeout)


def settings_from_json(text: str) -> ProcessSettings:
    """Return the settings that `ProcessSettings.to_json` wrote."""
    return ProcessSettings(**json.loads(text))


def settings_for(database: Database, journal: str, **others: Any) -> ProcessSettings:
    """Return settings for a database."""
    if isinstance(database, PostgresSchema):
        return ProcessSettings(
            location=database.dsn, schema=database.schema, journal=journal, **others
        )
    assert isinstance(database, SQLiteFile)
    return ProcessSettings(location=str(database.path), journal=journal, **others)


def load(path: str) -> Callable[..., Any]:
    """Return the function that ``module:function`` names."""
    module, _, function = path.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return found


def with_config_hook(
    settings: ProcessSettings,
    function: Callable[[bgjobs.Config, ProcessSettings], bgjobs.Config],
) -> ProcessSettings:
    """Return settings with which every worker passes its configuration to this function."""
    # Any: mypy does not see which types the converter of the field accepts.
    functions: Any = [*settings.config_hooks, f"{function.__module__}:{function.__name__}"]
    return evolve(settings, config_hooks=functions)


def inner_store(config: bgjobs.Config) -> Any:
    """Return the store that the stores of these tests wrap.

    Faults change its private attributes, hence Any.
    """
    store: Any = config.store
    while not isinstance(store, bgjobs.SQLiteStore | bgjobs.PostgresStore):
        store = store._store
    return store
