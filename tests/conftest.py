"""Fixtures and settings for all tests."""

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
    "tests.fixtures.effects",
]

_TESTS = Path(__file__).resolve().parent
NAMED_ONLY = (_TESTS / "field", _TESTS / "browser")
"""The folders of `nox -s field` and `nox -s browser`, which need Debian packages."""
MOST_WORKERS = 4
SLOW_TIMEOUT = 900
"""Seconds until pytest-timeout ends a slow test; for others, see pyproject.toml."""

# The duration of an example depends on the load of the machine.
hypothesis.settings.register_profile(
    "tests", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("tests")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Ignore a folder that needs Debian packages unless it was named."""
    if collection_path not in NAMED_ONLY:
        return None
    named = (Path(argument.partition("::")[0]).resolve() for argument in config.args)
    return None if any(path.is_relative_to(collection_path) for path in named) else True


def pytest_xdist_auto_num_workers() -> int:
    """Return the number of cores and two more, since many tests wait for a lease."""
    return min(len(os.sched_getaffinity(0)) + 2, MOST_WORKERS)


def pytest_collection_finish() -> None:
    """Exclude objects that live as long as the session from later garbage collections."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Set a longer timeout for slow tests, which take much longer on a busy machine."""
    for item in items:
        if item.get_closest_marker("slow") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SLOW_TIMEOUT))


@pytest.fixture
def sqlite_path(tmp_path: Path) -> Path:
    """The path of a file that does not exist yet."""
    return tmp_path / "jobs.db"


@pytest.fixture
def sqlite_store(sqlite_path: Path) -> Generator[SQLiteStore]:
    """An open and migrated store over a new file."""
    with fresh_sqlite_store(sqlite_path) as store:
        yield store
