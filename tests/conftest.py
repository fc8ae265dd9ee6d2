"""Fixtures that every floor may use."""

import gc
import os
from collections.abc import Generator
from pathlib import Path

import hypothesis
import pytest

from bgjobs.stores.sqlite import SQLiteStore
from tests.fixtures.sqlite import fresh_sqlite_store

pytest_plugins = [
    "tests.fixtures.postgres",
    "tests.fixtures.debian",
    "tests.fixtures.databases",
]

FIELD = Path(__file__).resolve().parent / "field"
"""The tests of `nox -s field`."""
MOST = 4
PATIENCE_WITH_SLOW_ONES = 900
"""Seconds until pytest-timeout ends a test that is marked as slow; the others have 300."""

# How long an example takes is up to what else the machine does.
hypothesis.settings.register_profile(
    "tests", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("tests")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave the field out unless it is asked for: its servers have to be installed."""
    asked = (Path(argument.partition("::")[0]).resolve() for argument in config.args)
    is_asked_for = any(path.is_relative_to(FIELD) for path in asked)
    return True if collection_path == FIELD and not is_asked_for else None


def pytest_xdist_auto_num_workers() -> int:
    """Return two more than there are cores: many tests wait, for others or for a lease."""
    return min(len(os.sched_getaffinity(0)) + 2, MOST)


def pytest_collection_finish() -> None:
    """Keep what lives as long as the session out of each later collection of garbage."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have more patience with slow tests: beside other work they take several times as long."""
    for item in items:
        if item.get_closest_marker("slow") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(PATIENCE_WITH_SLOW_ONES))


@pytest.fixture
def sqlite_path(tmp_path: Path) -> Path:
    """A file that is not there yet."""
    return tmp_path / "jobs.db"


@pytest.fixture
def sqlite_store(sqlite_path: Path) -> Generator[SQLiteStore]:
    """A store over a new file, open and migrated."""
    with fresh_sqlite_store(sqlite_path) as store:
        yield store
