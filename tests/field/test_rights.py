"""Rights that are revoked from a running application, and rows that are hidden from it."""

from collections.abc import Generator

import psycopg
import pytest
from anyio.to_thread import run_sync
from attrs import frozen
from psycopg.conninfo import make_conninfo

import bgjobs
from bgjobs.errors import StoreError, StoreUnavailableError
from bgjobs.events import ChildCrashed, RestartLimitExceeded
from bgjobs.testing import Recorder
from tests.field.applications import check_work, effect, effects, make_table, running
from tests.fixtures.postgres import new_database, random_schema

pytestmark = pytest.mark.anyio

DENIED = "permission denied for table jobs \\(42501\\)"
PATIENT = bgjobs.RestartTolerance(restarts=1000, backoff=lambda _: 0.1)


@frozen
class RestrictedDatabase:
    """A database, and the role of the application."""

    admin: str
    role: str

    @property
    def dsn(self) -> str:
        return make_conninfo(self.admin, user=self.role)

    def ask(self, statement: str) -> None:
        """Run a statement as the owner; `app` is replaced by the role."""
        with psycopg.connect(self.admin, autocommit=True) as connection:
            connection.execute(statement.replace("app", self.role).encode())


@pytest.fixture
def place(debian_dsn: str) -> Generator[RestrictedDatabase]:
    with new_database(debian_dsn) as dsn:
        make_table(dsn)
        place = RestrictedDatabase(dsn, random_schema())
        place.ask("create role app login")
        place.ask("grant usage on schema bgjobs to app")
        place.ask("grant all on all tables in schema bgjobs to app")
        yield place
        place.ask("drop owned by app cascade")
        place.ask("drop role app")


async def test_a_right_that_is_granted_again_in_time_costs_no_job(
    place: RestrictedDatabase,
) -> None:
    recorder = Recorder()
    async with running(place.dsn, recorder, restart_tolerance=PATIENT) as bg:
        await check_work(bg, place.admin)
        job = await bg.enqueue(effect.request(5).available_in(seconds=1))
        await run_sync(place.ask, "revoke update on bgjobs.jobs from app")
        [crash, *_] = await recorder.wait_for(ChildCrashed)
        assert "permission denied for table jobs (42501)" in str(crash.error)
        await run_sync(place.ask, "grant update on bgjobs.jobs to app")
        assert isinstance(await bg.wait_for(job), bgjobs.SucceededJob)
    assert effects(place.admin) == [*range(6)]


async def test_a_right_that_stays_revoked_ends_the_application_and_is_named(
    place: RestrictedDatabase,
) -> None:
    recorder, tolerance = Recorder(), bgjobs.RestartTolerance(restarts=1, backoff=lambda _: 0.1)
    with pytest.raises(ExceptionGroup) as caught:
        async with running(place.dsn, recorder, restart_tolerance=tolerance) as bg:
            await bg.enqueue(effect.request(0).available_in(seconds=1))
            await run_sync(place.ask, "revoke update on bgjobs.jobs from app")
            await bg.wait_stopping()
    assert caught.group_contains(StoreError, match=DENIED)
    # The monitor writes to this table, too.
    assert {one.child for one in recorder.of(RestartLimitExceeded)} <= {
        "queue 'all'",
        "monitor",
    }
    await run_sync(place.ask, "grant update on bgjobs.jobs to app")
    async with running(place.dsn) as bg:
        await bg.drain(with_delayed=True)
    assert effects(place.admin) == [0]


async def test_a_role_that_may_not_enqueue_gets_an_error_and_others_do_not(
    place: RestrictedDatabase,
) -> None:
    async with running(place.dsn) as bg:
        await run_sync(place.ask, "revoke insert on bgjobs.jobs from app")
        with pytest.raises(StoreError, match=DENIED) as caught:
            await bg.enqueue(effect.request(0))
        assert not isinstance(caught.value, StoreUnavailableError)
        await run_sync(place.ask, "grant insert on bgjobs.jobs to app")
        await check_work(bg, place.admin)


async def test_a_role_without_login_continues_once_it_may_log_in(
    place: RestrictedDatabase,
) -> None:
    recorder = Recorder()
    ended = (
        "select pg_terminate_backend(pid, 10000) from pg_stat_activity where usename = 'app'"
    )
    async with running(place.dsn, recorder, store_timeout=1.0) as bg:
        await check_work(bg, place.admin)
        await run_sync(place.ask, "alter role app nologin")
        await run_sync(place.ask, ended)
        with pytest.raises(StoreUnavailableError, match="not permitted to log in"):
            await bg.enqueue(effect.request(1000))
        await run_sync(place.ask, "alter role app login")
        await check_work(bg, place.admin, first=5)
    assert recorder.of(RestartLimitExceeded) == []


async def test_hidden_jobs_wait_and_new_ones_are_refused(place: RestrictedDatabase) -> None:
    recorder = Recorder()
    async with running(place.dsn, recorder, restart_tolerance=PATIENT) as bg:
        job = await bg.enqueue(effect.request(0).available_in(seconds=0.5))
        await run_sync(place.ask, "alter table bgjobs.jobs enable row level security")
        with pytest.raises(StoreError, match="row-level security policy"):
            await bg.enqueue(effect.request(1))
        assert await bg.find(job.id) is None
        await run_sync(place.ask, "alter table bgjobs.jobs disable row level security")
        assert isinstance(await bg.wait_for(job), bgjobs.SucceededJob)
    assert effects(place.admin) == [0]
