"""Fixtures that every floor may use."""

import os
from collections.abc import Generator
from pathlib import Path

import pytest

from bgjobs.stores.sqlite import SQLiteStore
from tests.fixtures.sqlite import fresh_sqlite_store

pytest_plugins = ["tests.fixtures.postgres", "tests.fixtures.databases"]

FEWEST, MOST = 2, 4


def pytest_xdist_auto_num_workers() -> int:
    """As many as there are cores; two on one too, for tests that wait for other processes."""
    return min(max(FEWEST, len(os.sched_getaffinity(0))), MOST)


@pytest.fixture
def sqlite_path(tmp_path: Path) -> Path:
    """A file that is not there yet."""
    return tmp_path / "jobs.db"


@pytest.fixture
def sqlite_store(sqlite_path: Path) -> Generator[SQLiteStore]:
    """A store over a new file, open and migrated."""
    with fresh_sqlite_store(sqlite_path) as store:
        yield store
