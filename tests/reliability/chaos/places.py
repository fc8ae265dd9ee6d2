"""The databases that a fleet runs on, each new and gone afterwards."""

import os
import secrets
import tempfile
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.fixtures.databases import Database, PostgresSchema, SQLiteFile
from tests.fixtures.postgres import started_postgres

STORES = ("sqlite", "postgres")


@contextmanager
def database_on(store: str, folder: Path) -> Generator[Database]:
    """Give a new file in the folder, or a new schema of a server; it is gone afterwards."""
    if store == "sqlite":
        yield SQLiteFile(folder / f"{secrets.token_hex(6)}.db")
        return
    with ExitStack() as stack:
        given = os.environ.get("BGJOBS_TEST_POSTGRES")
        dsn = given or stack.enter_context(started_postgres())
        schema = PostgresSchema(dsn, f"chaos_{secrets.token_hex(6)}")
        stack.callback(schema.drop)
        yield schema


@contextmanager
def new_folder() -> Generator[Path]:
    """Give a folder for files and journals."""
    with tempfile.TemporaryDirectory(prefix="bgjobs-chaos-") as folder:
        yield Path(folder)
