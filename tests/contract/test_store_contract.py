"""All checks of the contract on all stores."""

import re
import sqlite3
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from bgjobs.stores.nurseries import Nurseries
from bgjobs.stores.operations import OperatedStore, Operations
from bgjobs.stores.port import Store
from bgjobs.testing.contract import (
    CHECKS,
    NONBLOCKING_CHECKS,
    NURSERY_CHECKS,
    OPERATIONS_CHECKS,
    TRANSACTION_CHECKS,
    Connect,
    NonBlockingStore,
    ParentStore,
)
from tests.fixtures.postgres import fresh_postgres_store
from tests.fixtures.sqlite import fresh_sqlite_store


@pytest.fixture(params=["sqlite-file", "sqlite-memory", "postgres"])
def store(request: pytest.FixtureRequest, sqlite_path: Path) -> Generator[ParentStore]:
    with _fresh(request, sqlite_path) as store:
        yield store


def _fresh(request: pytest.FixtureRequest, path: Path) -> AbstractContextManager[ParentStore]:
    if request.param == "postgres":
        return fresh_postgres_store(request.getfixturevalue("postgres_dsn"))
    return fresh_sqlite_store(path if request.param == "sqlite-file" else ":memory:")


@pytest.fixture
def connect(store: Store, request: pytest.FixtureRequest, sqlite_path: Path) -> Connect:
    if "postgres" in request.node.name:
        dsn = request.getfixturevalue("postgres_dsn")
        return lambda: psycopg.connect(dsn)
    return lambda: closing(sqlite3.connect(sqlite_path))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_contract(check: Callable[[Store], None], store: Store) -> None:
    check(store)


@pytest.mark.parametrize("check", OPERATIONS_CHECKS, ids=lambda check: check.__name__)
def test_operations_contract(
    check: Callable[[OperatedStore], None], store: OperatedStore
) -> None:
    check(store)


@pytest.mark.parametrize("check", NURSERY_CHECKS, ids=lambda check: check.__name__)
def test_nursery_contract(check: Callable[[ParentStore], None], store: ParentStore) -> None:
    check(store)


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
@pytest.mark.parametrize("check", NONBLOCKING_CHECKS, ids=lambda check: check.__name__)
def test_nonblocking_contract(
    check: Callable[[NonBlockingStore], None], store: NonBlockingStore
) -> None:
    check(store)


@pytest.mark.parametrize("store", ["sqlite-file", "postgres"], indirect=True)
@pytest.mark.parametrize("check", TRANSACTION_CHECKS, ids=lambda check: check.__name__)
def test_transaction_contract(
    check: Callable[[Store, Any], None], store: Store, connect: Connect
) -> None:
    check(store, connect)


def test_every_method_is_called_by_a_check() -> None:
    """The checks call each method of both ports."""
    import bgjobs.testing.contract as suite  # noqa: PLC0415 - only its folder is used

    assert suite.__file__ is not None
    text = "".join(file.read_text() for file in Path(suite.__file__).parent.glob("*.py"))
    ports = (
        (Store, "store"),
        (Operations, "(?:operations|admin)"),
        (Nurseries, "nurseries"),
    )
    for port, owner in ports:
        parts = [part for part in port.__mro__ if part.__module__.startswith("bgjobs.")]
        methods = [name for part in parts for name in vars(part) if not name.startswith("_")]
        assert [
            method for method in methods if not re.search(rf"\b{owner}\.{method}\b", text)
        ] == []
