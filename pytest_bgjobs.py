"""The pytest plugin of bgjobs: fixtures over `bgjobs.testing`, made when a test asks for them.

Outside the package: pytest loads it at every start, and a session without jobs shall not pay
for importing bgjobs.

    bgjobs_clock      the virtual clock of this test's application
    bgjobs_recorder   hears everything that happens in it
    bgjobs_path       a path for a SQLite file
    bgjobs_store      the store in that file, migrated and not open
    bgjobs_run        ``async with bgjobs_run(config) as bg``: all of these together

A test with the argument `bgjobs_store_check` runs once for each check of the store contract,
and one with `bgjobs_transaction_check` for each of those that need a second connection.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from bgjobs import SQLiteStore
    from bgjobs.testing import Recorder, VirtualClock, VirtualRun

STORE_CHECK = "bgjobs_store_check"
TRANSACTION_CHECK = "bgjobs_transaction_check"


@pytest.fixture
def bgjobs_clock() -> "VirtualClock":
    """Give the clock of `bgjobs_run`, which begins with 2030; it needs a virtual loop."""
    from bgjobs.testing import VirtualClock

    return VirtualClock()


@pytest.fixture
def bgjobs_recorder() -> "Recorder":
    """Give what hears every event of `bgjobs_run`, and is a listener for others."""
    from bgjobs.testing import Recorder

    return Recorder()


@pytest.fixture
def bgjobs_path(tmp_path: Path) -> Path:
    """Give the path of the file of `bgjobs_store`, for connections and tables of your own."""
    return tmp_path / "bgjobs.db"


@pytest.fixture
def bgjobs_store(bgjobs_path: Path) -> "SQLiteStore":
    """Give a new SQLite store, migrated and not open: to run, to enqueue in, to look at."""
    from bgjobs import SQLiteStore

    # Nobody pulls the plug in a test.
    store = SQLiteStore(bgjobs_path, synchronous="NORMAL")
    store.open()
    try:
        store.migrate()
    finally:
        store.close()
    return store


@pytest.fixture
def bgjobs_run(
    bgjobs_store: "SQLiteStore", bgjobs_clock: "VirtualClock", bgjobs_recorder: "Recorder"
) -> "VirtualRun":
    """Give a function that runs an application over all of these: see `VirtualRun`."""
    from bgjobs.testing import VirtualRun

    return VirtualRun(bgjobs_store, bgjobs_clock, bgjobs_recorder)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Repeat the tests of a store for each check of the contract."""
    if not {STORE_CHECK, TRANSACTION_CHECK}.isdisjoint(metafunc.fixturenames):
        from bgjobs.testing.contract import CHECKS, TRANSACTION_CHECKS

        for argument, checks in (
            (STORE_CHECK, CHECKS),
            (TRANSACTION_CHECK, TRANSACTION_CHECKS),
        ):
            if argument in metafunc.fixturenames:
                metafunc.parametrize(argument, checks, ids=lambda check: check.__name__)
