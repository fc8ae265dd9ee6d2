"""The password of a connection string is in no label, repr, error, event or log line."""

import logging
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from psycopg.conninfo import make_conninfo
from psycopg_pool import ConnectionPool

import bgjobs
from bgjobs.logs import log_listener
from bgjobs.stores.postgres import PostgresStore
from tests.fixtures.stores import opened

SECRET = "hunter2"
KEYWORD = "host=127.0.0.1 port=1 user=ada dbname=shop connect_timeout=2"

STRINGS = {
    "url": "postgresql://ada:hunter2@127.0.0.1:1/shop",
    "short scheme": "postgres://ada:hunter2@127.0.0.1:1/shop",
    "percent": "postgresql://ada:hunter2%40%2F%25@127.0.0.1:1/shop",
    "url query": "postgresql://ada@127.0.0.1:1/shop?password=hunter2",
    "keyword": f"{KEYWORD} password=hunter2",
    "quoted": f"{KEYWORD} password='hunter2 \\' \\\\ x'",
    "spaced": f"{KEYWORD} password = hunter2",
    "sslpassword": f"{KEYWORD} sslpassword=hunter2",
    "passfile": f"{KEYWORD} passfile=/nowhere/hunter2",
    "options": f"{KEYWORD} options='-c shop.key=hunter2'",
    "several hosts": "postgresql://ada:hunter2@127.0.0.1:1,127.0.0.1:2/shop",
    "no host": "postgresql://ada:hunter2@/shop?host=/nowhere",
}
"""Connection strings that libpq accepts; no server listens on port 1."""

WRONG = {
    "at sign": "postgresql://ada:x@hunter2@127.0.0.1:1/shop",
    "slash": "postgresql://ada:hunter2/x@127.0.0.1:1/shop",
    "slash first": "postgresql://ada:/hunter2@127.0.0.1:1/shop",
    "at sign and slash": "postgresql://ada:x@hunter2/x@127.0.0.1/shop",
    "question mark": "postgresql://ada:x@y?hunter2@127.0.0.1:1/shop",
    "hash": "postgresql://ada:1/#hunter2@127.0.0.1:1/shop",
    "percent": "postgresql://ada:hunter2%zz@127.0.0.1:1/shop",
    "bracket": "postgresql://ada:x@[hunter2@127.0.0.1:1/shop",
    "space": f"{KEYWORD} password=my hunter2",
    "unclosed": f"{KEYWORD} password='hunter2",
    "two equal signs": "host=127.0.0.1 hunter2",
    "unknown word": f"{KEYWORD} hunter2=5",
    "colon": "postgresql://ada:x:hunter2@127.0.0.1:hunter2/shop",
    "port": "host=127.0.0.1 port=hunter2",
    "scheme": "mysql://ada:hunter2@127.0.0.1/shop",
    "sqlalchemy": "postgresql+psycopg://ada:hunter2@127.0.0.1/shop",
    "in dbname": "host=127.0.0.1 port=1 dbname='postgresql://ada:hunter2@there/shop'",
    "in dbname, keywords": "host=127.0.0.1 port=1 dbname='host=there password=hunter2'",
    "surrogate": "postgresql://ada:hunter2\udcff@127.0.0.1:1/shop",
    "NUL": "postgresql://ada:hunter2\0@127.0.0.1:1/shop",
}
"""Strings with wrong quotes, escapes or spelling, which are refused without being quoted."""


def every_word(error: BaseException) -> str:
    """Return the texts and the arguments of an error and of its chain."""
    texts = ["".join(traceback.format_exception(error))]
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is not None:
            texts += [str(one), repr(one)]
            waiting += [one.__cause__, one.__context__]
    return "\n".join(texts)


def refusal(call: Callable[[], object]) -> BaseException:
    with pytest.raises((bgjobs.BgJobsError, ValueError)) as caught:
        call()
    return caught.value


def check_silent(store: PostgresStore) -> None:
    """Check that neither the label, the repr nor the errors of a store contain the secret."""
    assert SECRET not in f"{store!r} {store.label} {vars(store)['_database'].source!r}"
    assert SECRET not in every_word(refusal(store.open))


@pytest.mark.parametrize("spelling", STRINGS)
def test_no_password_of_a_connection_string_is_shown(spelling: str) -> None:
    check_silent(PostgresStore(STRINGS[spelling]))


@pytest.mark.parametrize("spelling", WRONG)
def test_no_password_of_a_wrong_connection_string_is_shown(spelling: str) -> None:
    error = refusal(lambda: PostgresStore(WRONG[spelling]))
    assert SECRET not in every_word(error)
    assert "expected a PostgreSQL connection string" in str(error)


@pytest.mark.parametrize("spelling", WRONG)
def test_no_password_of_a_wrong_listen_dsn_is_shown(spelling: str) -> None:
    error = refusal(lambda: PostgresStore("dbname=x", listen_dsn=WRONG[spelling]))
    assert SECRET not in every_word(error)


@pytest.mark.parametrize("spelling", STRINGS)
def test_no_password_of_a_listen_dsn_is_shown(
    spelling: str, postgres_dsn: str, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(PostgresStore(postgres_dsn, listen_dsn=STRINGS[spelling])) as store:
        assert SECRET not in every_word(refusal(store.watch))
        assert SECRET not in repr(store)


@pytest.mark.parametrize("spelling", [*STRINGS, *WRONG])
def test_no_password_of_a_callers_pool_is_shown(spelling: str) -> None:
    text = (STRINGS | WRONG)[spelling]
    for pool in (
        ConnectionPool(text, open=False),
        ConnectionPool(conninfo=lambda: text, open=False),
    ):
        store = PostgresStore(pool)
        assert SECRET not in f"{store!r} {store.label}"
        source = vars(store)["_database"].source
        assert SECRET not in repr(source)
        assert SECRET not in every_word(refusal(source.connect))


KWARGS: list[dict[str, Any]] = [
    {"password": SECRET, "host": "127.0.0.1", "port": 1},
    {"dbname": "postgresql://ada:hunter2@there/shop", "host": "127.0.0.1", "port": 1},
    {"sslpassword": SECRET, "host": "127.0.0.1", "port": "1"},
    {"pasword": SECRET},
    {"host": "ada:hunter2@127.0.0.1"},
    {"port": SECRET, "host": "127.0.0.1"},
]


@pytest.mark.parametrize("kwargs", KWARGS, ids="-".join)
def test_no_password_in_the_settings_of_a_pool_is_shown(kwargs: dict[str, Any]) -> None:
    for given in (kwargs, lambda: kwargs):
        store = PostgresStore(ConnectionPool("", kwargs=given, open=False))
        assert SECRET not in f"{store!r} {store.label}"
        source = vars(store)["_database"].source
        assert SECRET not in every_word(refusal(source.connect))


@pytest.mark.parametrize("spelling", ["url", "keyword", "options"])
def test_no_event_and_no_log_line_contains_a_password(
    spelling: str, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[str] = []

    def note(event: bgjobs.Event) -> None:
        error = getattr(event, "error", None)
        seen.append(f"{event!r} {'' if error is None else every_word(error)}")

    @bgjobs.worker
    def work() -> None: ...

    config = bgjobs.Config(
        store=PostgresStore(STRINGS[spelling]),
        queues=[bgjobs.Queue("q", workers=[work])],
        store_timeout=0.1,
        listeners=[note, log_listener],
    )

    async def main() -> None:
        async with bgjobs.run(config):
            pytest.fail("the connection succeeded, though no server listens")

    with caplog.at_level(logging.DEBUG):
        error = refusal(lambda: trio.run(main))
    assert "SetupFailed" in "".join(seen)
    for text in (*seen, caplog.text, every_word(error)):
        assert SECRET not in text


def test_a_password_that_the_server_refuses_is_not_shown(postgres_dsn: str) -> None:
    """The names of the role and of the database are shown."""
    role = f"nobody_{SECRET[:3]}"
    store = PostgresStore(make_conninfo(postgres_dsn, user=role, password=SECRET))
    error = every_word(refusal(store.open))
    assert SECRET not in error
    assert "nobody_" in error


def test_a_password_file_is_not_quoted(tmp_path: Path) -> None:
    passfile = tmp_path / "pgpass"
    passfile.write_text(f"127.0.0.1:1:*:*:{SECRET}\n")
    passfile.chmod(0o600)
    check_silent(PostgresStore(f"{KEYWORD} passfile={passfile}"))


def test_the_label_identifies_the_server() -> None:
    """Host, port and database are no secrets."""
    for text, label in (
        (STRINGS["url"], "postgresql://127.0.0.1:1/shop schema bgjobs"),
        ("", "postgresql://localhost:5432/ schema bgjobs"),
        (
            "host=/run/postgresql dbname=shop",
            "postgresql:///run/postgresql:5432/shop schema bgjobs",
        ),
        ("postgresql://[::1]:7/shop", "postgresql://::1:7/shop schema bgjobs"),
        ("host=a dbname=b%40c", "postgresql://a:5432/b%40c schema bgjobs"),
    ):
        assert PostgresStore(text).label == label


def test_a_database_may_have_an_at_sign_in_its_name() -> None:
    """It is escaped in a URL, or given as a keyword."""
    for text in ("postgresql://ada@there/b%40c", "host=there dbname=b@c"):
        assert PostgresStore(text).label == "postgresql://there:5432/b@c schema bgjobs"
