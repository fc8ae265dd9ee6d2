"""The pytest plugin, in separate pytest sessions."""

from importlib.metadata import entry_points

import pytest

from bgjobs.testing.contract import CHECKS, TRANSACTION_CHECKS

pytest_plugins = ["pytester"]

APP = """
import bgjobs

@bgjobs.worker
async def welcome(name: str) -> None: ...

@bgjobs.worker
def count(context: bgjobs.JobContext) -> None:
    context.complete_with(lambda raw: raw.execute("insert into counted values (1)"))

config = bgjobs.Config(
    store=bgjobs.SQLiteStore("/nowhere/real.db"),
    queues=[bgjobs.Queue("default", workers=[welcome, count])],
)
"""
TESTS = """
import sqlite3
from contextlib import closing
from datetime import timedelta

import pytest

from bgjobs import events
from bgjobs.testing import assert_enqueued, drain

from app import config, count, welcome

{mark}
async def test_everything({clock}bgjobs_run, bgjobs_clock, bgjobs_recorder, bgjobs_store):
    begun = bgjobs_clock.start
    async with bgjobs_run(config) as bg:
        await bg.enqueue(welcome.request("Ada").available_in(days=3))
        await drain(bg, with_delayed=True)
        assert bgjobs_clock.now() == begun + timedelta(days=3)
        assert_enqueued(bg, welcome.request("Ada"))
    assert bgjobs_recorder.one(events.JobSucceeded).job.name == "welcome"
    assert_enqueued(bgjobs_store, welcome.request("Ada"), count=1)

{mark}
async def test_tables_of_ones_own({clock}bgjobs_run, bgjobs_path):
    with closing(sqlite3.connect(bgjobs_path)) as connection:
        connection.execute("create table counted (number)")
        async with bgjobs_run(config, scheduled=False) as bg:
            await bg.enqueue(count.request())
            (await drain(bg)).check()
        assert connection.execute("select count(*) from counted").fetchone() == (1,)

def test_a_program_that_only_enqueues(bgjobs_store, bgjobs_path):
    with closing(sqlite3.connect(bgjobs_path)) as connection:
        bgjobs_store.enqueue_in(connection, [welcome.request("Ada")])
        connection.commit()
    assert_enqueued(bgjobs_store, welcome, count=1)
"""
BACKEND = """
import pytest
from bgjobs.testing import virtual_backend

@pytest.fixture(params=["trio", "asyncio"])
def anyio_backend(request):
    return virtual_backend(request.param)
"""


CONTRACT = """
import sqlite3
from contextlib import closing

import pytest

import bgjobs

@pytest.fixture
def store(tmp_path):
    store = bgjobs.SQLiteStore(tmp_path / "jobs.db")
    store.open()
    store.migrate()
    yield store
    store.close()

def test_contract(bgjobs_store_check, store):
    bgjobs_store_check(store)

def test_transactions(bgjobs_transaction_check, store, tmp_path):
    bgjobs_transaction_check(store, lambda: closing(sqlite3.connect(tmp_path / "jobs.db")))
"""


@pytest.fixture(autouse=True)
def project(pytester: pytest.Pytester) -> None:
    """A folder of tests for a separate session, in which warnings are errors."""
    pytester.makeini("[pytest]\nfilterwarnings = error\npythonpath = .\n")
    pytester.makepyfile(app=APP)


def test_installing_bgjobs_installs_the_plugin() -> None:
    [found] = entry_points(group="pytest11", name="bgjobs")
    assert found.value == "pytest_bgjobs"


def test_with_pytest_trio(pytester: pytest.Pytester) -> None:
    tests = TESTS.format(mark="@pytest.mark.trio", clock="autojump_clock, ")
    pytester.makepyfile(test_app=tests)
    pytester.runpytest_inprocess().assert_outcomes(passed=3)


def test_with_the_plugin_of_anyio_on_both_event_loops(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(BACKEND)
    pytester.makepyfile(test_app=TESTS.format(mark="@pytest.mark.anyio", clock=""))
    pytester.runpytest_inprocess("-p", "no:trio").assert_outcomes(passed=5)


@pytest.mark.parametrize(
    ("mark", "passed", "failed"), [("@pytest.mark.trio", 1, 2), ("@pytest.mark.anyio", 1, 4)]
)
def test_without_a_virtual_clock_the_error_lists_how_to_get_one(
    pytester: pytest.Pytester, mark: str, passed: int, failed: int
) -> None:
    pytester.makepyfile(test_app=TESTS.format(mark=mark, clock=""))
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(passed=passed, failed=failed)
    result.stdout.fnmatch_lines(
        [
            "*RealTimeError: expected an event loop in virtual time, found *; use one of these",
            "*add the fixture autojump_clock to the test",
        ]
    )


def test_a_session_without_jobs_does_not_import_bgjobs(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_nothing():
            assert "pytest_bgjobs" in sys.modules
            assert sys.modules.keys().isdisjoint({"bgjobs", "attrs", "sqlite3"})
        """
    )
    quiet = ["-p", "no:anyio", "-p", "no:trio", "-p", "no:hypothesispytest"]
    pytester.runpytest_subprocess(*quiet).assert_outcomes(passed=1)


def test_the_store_contract_as_tests(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_store=CONTRACT)
    ran = pytester.runpytest_inprocess("-k", "unique_key or if_the_caller").parseoutcomes()
    assert ran.keys() == {"passed", "deselected"}
    assert ran["passed"] > 5
    assert sum(ran.values()) == len(CHECKS) + len(TRANSACTION_CHECKS)


def test_a_store_that_breaks_the_contract_fails_by_name(pytester: pytest.Pytester) -> None:
    broken = CONTRACT.replace(
        "    yield store", "    store.find = lambda _: None\n    yield store"
    )
    pytester.makepyfile(test_store=broken)
    result = pytester.runpytest_inprocess("-k", "check_complete_lets_the_job_succeed")
    result.assert_outcomes(failed=1, deselected=len(CHECKS) + len(TRANSACTION_CHECKS) - 1)
