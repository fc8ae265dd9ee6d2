"""Notifications between processes, by NOTIFY and LISTEN."""

import select

from psycopg.conninfo import make_conninfo

from bgjobs.stores.postgres import PostgresStore
from bgjobs.stores.types import Notice
from tests.fixtures.postgres import fresh_postgres_store


def test_a_listener_receives_the_names(store: PostgresStore, postgres_dsn: str) -> None:
    watcher = store.watch()
    assert watcher is not None
    assert watcher.interval is None
    assert watcher.poll() == Notice()
    store.notify(Notice(frozenset({"mail", "ünïcode " + "x" * 190})))
    heard: set[str] = set()
    while len(heard) < 2:
        readable, _, _ = select.select([watcher.fileno()], [], [], 30)
        assert readable
        heard |= watcher.poll().workers or set()
    assert heard == {"mail", "ünïcode " + "x" * 190}
    assert watcher.poll() == Notice()
    watcher.close()


def test_another_schema_is_not_received(store: PostgresStore, postgres_dsn: str) -> None:
    watcher = store.watch()
    assert watcher is not None
    with fresh_postgres_store(postgres_dsn) as other:
        other.notify(Notice(frozenset({"theirs"})))
    store.notify(Notice(frozenset({"ours"})))
    heard: set[str] = set()
    while not heard:
        heard |= watcher.poll().workers or set()
    assert heard == {"ours"}
    watcher.close()


def test_nothing_listens_with_listen_false(postgres_dsn: str) -> None:
    with fresh_postgres_store(postgres_dsn, listen=False) as store:
        assert store.watch() is None
        store.notify(Notice(frozenset({"x"})))
        store.notify(Notice())


def test_listen_dsn_is_used_for_listening(postgres_dsn: str) -> None:
    listen_dsn = make_conninfo(postgres_dsn, application_name="listener")
    with fresh_postgres_store(postgres_dsn, listen_dsn=listen_dsn) as store:
        watcher = store.watch()
        assert watcher is not None
        watcher.close()
