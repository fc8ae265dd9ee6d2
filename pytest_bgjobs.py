"""The pytest plugin of bgjobs: fixtures for `bgjobs.testing`.

    bgjobs_run        runs an application in virtual time, with all of the following
    bgjobs_clock      the virtual clock
    bgjobs_recorder   a listener that keeps every event
    bgjobs_store      a SQLite store in a new file, migrated and not open
    bgjobs_path       the path of that file

A test with the argument `bgjobs_store_check` runs once for each check of the store contract,
and a test with `bgjobs_transaction_check` once for each check that needs a second connection.

This module is outside the package, because pytest imports it at every start, and importing
bgjobs would slow down sessions that do not use it.
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
    """Return the clock of `bgjobs_run`, which starts at 2030-01-01; it needs a virtual loop."""
    from bgjobs.testing import VirtualClock

    return VirtualClock()


@pytest.fixture
def bgjobs_recorder() -> "Recorder":
    """Return the `Recorder` that `bgjobs_run` adds as a listener."""
    from bgjobs.testing import Recorder

    return Recorder()


@pytest.fixture
def bgjobs_path(tmp_path: Path) -> Path:
    """Return the path of the file of `bgjobs_store`, for tables and connections of your own."""
    return tmp_path / "bgjobs.db"


@pytest.fixture
def bgjobs_store(bgjobs_path: Path) -> "SQLiteStore":
    """Return a SQLite store in a new file, migrated and not open."""
    from bgjobs import SQLiteStore

    # A test need not survive a power failure, and commits are faster without the sync.
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
    """Return a function that runs an application in virtual time.

    Use it as ``async with bgjobs_run(config) as bg``. It is `bgjobs.testing.run_virtual` with
    the store, the clock and the recorder of the other fixtures. ``bgjobs_run(config,
    scheduled=False)`` runs no scheduled jobs. It raises `bgjobs.testing.RealTimeError` in an
    event loop of real time.
    """
    from bgjobs.testing import VirtualRun

    return VirtualRun(bgjobs_store, bgjobs_clock, bgjobs_recorder)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests of a store once for each check of the contract."""
    if not {STORE_CHECK, TRANSACTION_CHECK}.isdisjoint(metafunc.fixturenames):
        from bgjobs.testing.contract import CHECKS, TRANSACTION_CHECKS

        for argument, checks in (
            (STORE_CHECK, CHECKS),
            (TRANSACTION_CHECK, TRANSACTION_CHECKS),
        ):
            if argument in metafunc.fixturenames:
                metafunc.parametrize(argument, checks, ids=lambda check: check.__name__)
