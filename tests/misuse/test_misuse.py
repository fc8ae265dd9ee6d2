"""A wrong argument raises an error in its caller, and affects nothing else.

Every public function, constructor and method is called with wrong types and values, one at a
time; see `values` for the wrong values, and `exceptions` for what is left out.
"""

import secrets
from collections.abc import Iterator
from typing import Literal

import anyio
import pytest

from bgjobs.testing import virtual_backend
from tests.fixtures.databases import PostgresSchema, SQLiteFile
from tests.misuse.application import RUNTIME_TYPES, Application, application
from tests.misuse.probe import problems_of
from tests.misuse.public_api import Callee, callees
from tests.misuse.values import members


def _needs_an_application(callee: Callee) -> bool:
    annotations = [member for one in callee.parameters for member in members(one.annotation)]
    return any(one in RUNTIME_TYPES for one in (callee.owner, *annotations))


IN_AN_APPLICATION = [callee for callee in callees() if _needs_an_application(callee)]
ALONE = [callee for callee in callees() if callee not in IN_AN_APPLICATION]


@pytest.fixture(
    scope="module",
    params=[
        pytest.param((backend, store), marks=pytest.mark.xdist_group(f"misuse {backend}"))
        for backend in ("trio", "asyncio")
        for store in ("sqlite", "postgres")
    ],
    ids="-".join,
)
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Application]:
    backend, store = request.param
    if store == "sqlite":
        file = SQLiteFile(tmp_path_factory.mktemp("misuse") / "jobs.db")
        with application(backend, file) as made:
            yield made
        return
    dsn = request.getfixturevalue("postgres_dsn")
    schema = PostgresSchema(dsn, f"test_{secrets.token_hex(6)}")
    with application(backend, schema) as made:
        yield made
    schema.drop()


@pytest.mark.parametrize("callee", IN_AN_APPLICATION, ids=str)
def test_a_running_application_refuses_a_wrong_argument_and_goes_on(
    running: Application, callee: Callee
) -> None:
    _expect_none(running.problems_of(callee))


def test_a_running_application_refuses_wrong_results_of_before_enqueue(
    running: Application,
) -> None:
    _expect_none(running.problems_of_answers())


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
@pytest.mark.parametrize("callee", [callee for callee in ALONE if callee.is_async], ids=str)
def test_a_wrong_argument_is_refused_in_either_event_loop(
    callee: Callee, backend: Literal["trio", "asyncio"]
) -> None:
    name, options = virtual_backend(backend)
    _expect_none(anyio.run(problems_of, callee, backend=name, backend_options=options))


@pytest.mark.timeout(60, method="signal")  # with a signal, only this test fails
@pytest.mark.parametrize("callee", [callee for callee in ALONE if not callee.is_async], ids=str)
def test_a_wrong_argument_is_refused(callee: Callee) -> None:
    _expect_none(anyio.run(problems_of, callee, backend="trio"))


def _expect_none(problems: list[str]) -> None:
    if problems:
        pytest.fail("\n".join(problems), pytrace=False)
