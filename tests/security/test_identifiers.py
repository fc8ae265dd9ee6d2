"""Schema and table prefix are the only names in statements from outside; both are checked."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from bgjobs.stores.postgres import PostgresStore
from bgjobs.stores.postgres.statements import channel_of
from bgjobs.stores.sqlite import SQLiteStore
from bgjobs.stores.types import Notice
from bgjobs.testing.contract import CHECKS
from tests.fixtures.postgres import drop_schema, fresh_postgres_store
from tests.fixtures.sqlite import fresh_sqlite_store
from tests.fixtures.stores import migrated
from tests.security.corpus import NAMES, UNSTORABLE

LONGEST = 41
REFUSED = (
    *(one for one in NAMES if one != "null"),
    *UNSTORABLE,
    *("Upper", "a b", "a-b", "a.b", "1a", "a\n", "\na", "é", "a\uff11", "a\u0301", "x" * 42),
)
MAKERS: dict[str, Callable[[str], object]] = {
    "schema": lambda name: PostgresStore("dbname=x", schema=name),
    "table_prefix": lambda name: SQLiteStore("/nowhere/x.db", table_prefix=name),
}


@pytest.mark.parametrize("what", MAKERS)
@pytest.mark.parametrize("name", REFUSED, ids=ascii)
def test_names_other_than_plain_ones_are_refused(name: str, what: str) -> None:
    with pytest.raises(ValueError, match=f"{what}: expected"):
        MAKERS[what](name)


WORDS = ("select", "null", "_", "x" * LONGEST)
SOME = [one for one in CHECKS if re.search("awkward|ended|unique|replac|prun", one.__name__)]


@pytest.mark.parametrize("word", WORDS)
def test_words_of_sql_are_names_like_others_on_postgres(word: str, postgres_dsn: str) -> None:
    """They are quoted, and the longest is not cut."""
    for check in SOME[:3]:
        drop_schema(postgres_dsn, word)
        with migrated(PostgresStore(postgres_dsn, schema=word)) as store:
            check(store)
    drop_schema(postgres_dsn, word)


@pytest.mark.parametrize("word", WORDS)
def test_words_of_sql_are_names_like_others_on_sqlite(word: str, tmp_path: Path) -> None:
    for number, check in enumerate(SOME[:3]):
        with fresh_sqlite_store(tmp_path / f"{number}.db", table_prefix=word) as store:
            check(store)


def test_the_channel_is_made_of_the_checked_name() -> None:
    """It fits into the 63 bytes of a name, so that two schemas never share a channel."""
    assert channel_of("x" * LONGEST) == f"bgjobs_{'x' * LONGEST}"
    assert len(channel_of("x" * LONGEST)) < 64


def test_a_notification_of_another_role_only_wakes_queues(postgres_dsn: str) -> None:
    """Any role may send one; its text is only compared with names."""
    with fresh_postgres_store(postgres_dsn) as store:
        watcher = store.watch()
        assert watcher is not None
        sent = [name for name in NAMES if len(name.encode()) < 8_000]
        store.notify(Notice(frozenset(sent)))
        heard: set[str] = set()
        while heard < set(sent):
            heard |= watcher.poll().workers or set()
        assert heard == set(sent)
        watcher.close()
