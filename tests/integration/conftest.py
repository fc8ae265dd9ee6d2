"""Stores and schemas of PostgreSQL."""

from collections.abc import Generator

import pytest

from bgjobs.stores.postgres import PostgresStore
from tests.fixtures.postgres import fresh_postgres_store, fresh_schema


@pytest.fixture
def store(postgres_dsn: str) -> Generator[PostgresStore]:
    """An open and migrated store in a schema of its own."""
    with fresh_postgres_store(postgres_dsn) as store:
        yield store


@pytest.fixture
def schema(postgres_dsn: str) -> Generator[str]:
    """The name of a schema that does not exist yet."""
    with fresh_schema(postgres_dsn) as schema:
        yield schema
