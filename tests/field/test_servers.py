"""An application on each server, directly and behind a pooler, with default settings."""

from collections.abc import Generator

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import ConnectionPool

from bgjobs.events import StoreFailed
from bgjobs.testing import Recorder
from tests.field.applications import check_work, make_table, running
from tests.fixtures.debian import started_pgbouncer
from tests.fixtures.postgres import new_database

pytestmark = pytest.mark.anyio

ROUNDS = 3
"""The number of rounds; all but the first use existing sessions."""


@pytest.fixture(params=["Debian's 15", "the wheel's 18"])
def database(request: pytest.FixtureRequest) -> Generator[str]:
    """A database of each server."""
    of_debian = request.param == "Debian's 15"
    dsn = request.getfixturevalue("debian_dsn" if of_debian else "postgres_dsn")
    with new_database(dsn) as made:
        make_table(made)
        yield made


def test_the_two_servers_are_different_ones(debian_dsn: str, postgres_dsn: str) -> None:
    found = list[tuple[int, bool]]()
    for dsn in (debian_dsn, postgres_dsn):
        with psycopg.connect(dsn) as connection:
            [jit] = connection.execute("select pg_jit_available()").fetchall()
            found.append((connection.info.server_version // 10000, jit[0]))
    assert found == [(15, True), (18, False)]


async def test_an_application_works(database: str) -> None:
    recorder = Recorder()
    async with running(database, recorder) as bg:
        for number in range(ROUNDS):
            await check_work(bg, database, first=5 * number)
    assert recorder.of(StoreFailed) == []


@pytest.mark.parametrize("whose", ["ours", "the caller's"])
@pytest.mark.parametrize("mode", ["session", "transaction"])
async def test_an_application_works_behind_a_pooler(
    database: str, mode: str, whose: str
) -> None:
    recorder = Recorder()
    with started_pgbouncer(database, pool_mode=mode, default_pool_size=20) as bouncer:
        name = conninfo_to_dict(database)["dbname"]
        dsn = make_conninfo(bouncer.dsn, dbname=name)
        if whose == "ours":
            async with running(dsn, recorder) as bg:
                for number in range(ROUNDS):
                    await check_work(bg, database, first=5 * number)
        else:
            with ConnectionPool(dsn, min_size=1, max_size=3, open=True) as pool:
                async with running(pool, recorder) as bg:
                    for number in range(ROUNDS):
                        await check_work(bg, database, first=5 * number)
    assert recorder.of(StoreFailed) == []
