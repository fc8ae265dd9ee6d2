"""The arguments of stores are checked before a file is opened or a server is called."""

from math import inf, nan
from pathlib import Path
from typing import Any

import pytest

import bgjobs

Refusal = tuple[Any, type[Exception], str]

HUGE = 10**400
SHOWN = "1" + 39 * "0" + "..."


@bgjobs.worker
async def greet() -> None: ...


def generator(event: object) -> Any:
    yield event


def _waits(name: str, *, from_0: bool) -> list[tuple[str, Any, type[Exception], str]]:
    least = "from" if from_0 else "above"
    return [
        (name, "x", TypeError, "expected seconds, found str"),
        (name, nan, ValueError, f"expected seconds {least} 0, found nan"),
        (name, -1, ValueError, f"expected seconds {least} 0, found -1"),
        (name, inf, ValueError, "expected at most 1,000,000 seconds, found inf"),
        (name, HUGE, ValueError, f"expected at most 1,000,000 seconds, found {SHOWN}"),
    ]


LISTENERS: list[tuple[str, Any, type[Exception], str]] = [
    ("listeners", "x", TypeError, "expected a list of functions, found str"),
    (
        "listeners",
        print,
        TypeError,
        f"expected a list of functions, found {type(print).__name__}",
    ),
]
FUNCTION = "expected a function of one event"
ENTRIES: list[tuple[str, Any, type[Exception], str]] = [
    ("listeners", [print, 5], TypeError, f"[1]: {FUNCTION}, found int"),
    ("listeners", [list], TypeError, f"[0]: {FUNCTION}, found the class list"),
    ("listeners", [generator], TypeError, f"[0]: {FUNCTION}, found a generator function"),
]
NO_CONNECTION_STRING = (
    "expected a PostgreSQL connection string or URL; in a URL, write @ / ? # and % of a "
    "password as %40 %2F %3F %23 and %25"
)
CLOCK = "expected a function that returns the time"
BAD_NAME = (
    "expected 1 to 41 characters of a-z, 0-9 and _, not beginning with a digit, found 'A b'"
)


@pytest.mark.parametrize(
    ("setting", "value", "kind", "text"),
    [
        *_waits("busy_timeout", from_0=True),
        *_waits("watch_interval", from_0=False),
        ("watch_interval", 0, ValueError, "expected seconds above 0, found 0"),
        ("clock", 5, TypeError, f"{CLOCK}, found int"),
        ("clock", greet, TypeError, f"{CLOCK}, found an async one"),
        ("clock", Path, TypeError, f"{CLOCK}, found the class Path"),
        ("table_prefix", 5, TypeError, "expected str, found int"),
        ("table_prefix", None, TypeError, "expected str, found None"),
        ("table_prefix", "A b", ValueError, BAD_NAME),
        ("synchronous", "OFF", ValueError, "expected NORMAL, FULL or EXTRA, found 'OFF'"),
        *LISTENERS,
    ],
)
def test_a_sqlite_store_refuses_a_setting_of_another_kind(
    setting: str, value: Any, kind: type[Exception], text: str
) -> None:
    with pytest.raises(kind) as caught:
        bgjobs.SQLiteStore(":memory:", **{setting: value})
    assert str(caught.value) == f"{setting}: {text}"


@pytest.mark.parametrize(
    ("setting", "value", "kind", "text"),
    [
        *_waits("call_timeout", from_0=False),
        ("call_timeout", 0, ValueError, "expected seconds above 0, found 0"),
        ("pool_size", "x", TypeError, "expected int, found str"),
        ("pool_size", nan, TypeError, "expected int, found float"),
        ("pool_size", 0, ValueError, "expected 1 or more, found 0"),
        ("pool_size", HUGE, ValueError, f"expected at most 10,000, found {SHOWN}"),
        ("listen", "x", TypeError, "expected True or False, found str"),
        (
            "listen_dsn",
            "a\0b",
            ValueError,
            NO_CONNECTION_STRING,
        ),
        ("listen_dsn", 5, TypeError, "expected str or None, found int"),
        ("prepared_statements", 1, TypeError, "expected True, False or None, found int"),
        ("schema", None, TypeError, "expected str, found None"),
        ("schema", b"x", TypeError, "expected str, found bytes"),
        ("schema", "A b", ValueError, BAD_NAME),
        *LISTENERS,
    ],
)
def test_a_postgres_store_refuses_a_setting_of_another_kind(
    setting: str, value: Any, kind: type[Exception], text: str
) -> None:
    with pytest.raises(kind) as caught:
        bgjobs.PostgresStore("postgresql://nowhere/db", **{setting: value})
    assert str(caught.value) == f"{setting}: {text}"


@pytest.mark.parametrize(("setting", "value", "kind", "text"), ENTRIES)
@pytest.mark.parametrize(
    ("make", "place"),
    [(bgjobs.SQLiteStore, ":memory:"), (bgjobs.PostgresStore, "postgresql://nowhere/db")],
)
def test_a_store_names_the_invalid_listener(
    make: Any, place: str, setting: str, value: Any, kind: type[Exception], text: str
) -> None:
    with pytest.raises(kind) as caught:
        make(place, **{setting: value})
    assert str(caught.value) == f"{setting}{text}"


@pytest.mark.parametrize(
    ("found", "shown"),
    [
        (5, "int"),
        (None, "None"),
        (b"x", "bytes"),
        ([5], "list"),
        (greet, "Worker 'greet'"),
        (bgjobs.PostgresStore, "the class PostgresStore"),
    ],
)
def test_a_postgres_store_is_made_of_a_connection_string_or_a_pool(
    found: Any, shown: str
) -> None:
    with pytest.raises(TypeError) as caught:
        bgjobs.PostgresStore(found)
    expected = "a connection string or a psycopg_pool.ConnectionPool"
    assert str(caught.value) == f"conninfo_or_pool: expected {expected}, found {shown}"


OPENS = "expected the name of a file or ':memory:'"


@pytest.mark.parametrize(
    ("found", "kind", "text"),
    [
        (5, TypeError, "expected str, found int"),
        (None, TypeError, "expected str, found None"),
        (bgjobs.SQLiteStore, TypeError, "expected str, found the class SQLiteStore"),
        (b"x", TypeError, "expected str, found bytes"),
        ("\ud800", ValueError, f"{OPENS}, found one with a lone surrogate"),
        ("/" + "x" * 300, ValueError, f"{OPENS}, found a name of 300 bytes; SQLite opens 247"),
        (
            "/" + "xyz/" * 1250,
            ValueError,
            f"{OPENS}, found a path of 5,000 bytes; SQLite opens 500",
        ),
    ],
)
def test_a_sqlite_store_is_made_of_a_path_that_can_be_opened(
    found: Any, kind: type[Exception], text: str
) -> None:
    with pytest.raises(kind) as caught:
        bgjobs.SQLiteStore(found)
    assert str(caught.value) == f"path: {text}"


def test_a_number_that_python_cannot_write_is_refused_as_well() -> None:
    found = "expected at most 1,000,000 seconds, found a huge int"
    with pytest.raises(ValueError, match=f"^busy_timeout: {found}$"):
        bgjobs.SQLiteStore(":memory:", busy_timeout=10**5000)


def test_a_name_that_is_as_long_as_may_be_opens(tmp_path: Path) -> None:
    store = bgjobs.SQLiteStore(tmp_path / ("x" * 247))
    store.open()
    store.migrate()
    store.close()


def test_a_path_that_is_as_long_as_may_be_opens(tmp_path: Path) -> None:
    folder = tmp_path
    while len(str(folder)) < 300:
        folder = folder / ("y" * 50)
    folder.mkdir(parents=True)
    store = bgjobs.SQLiteStore(folder / ("z" * (499 - len(str(folder)))))
    store.open()
    store.migrate()
    store.close()
