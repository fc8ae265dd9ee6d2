"""Arrays that are written here mean to the server what the driver's own would mean."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import psycopg
import pytest

from bgjobs.stores.postgres import codec
from bgjobs.stores.postgres.statements import Dialect

CASES: list[tuple[str, Callable[[Any], codec.Array], Sequence[Any]]] = [
    ("uuid", codec.uuids, [UUID(int=0), UUID(int=2**128 - 1), UUID(int=7)]),
    ("text", codec.texts, ["", "plain", None, "\"{}\\'", "ä€𝄞", "\n\t", "null", "NULL"]),
    ("smallint", codec.smallints, [0, -32767, 32767]),
    ("integer", codec.integers, [0, 1, 2**31 - 1, -(2**31)]),
    ("bigint", codec.bigints, [0, None, 2**63 - 1, -(2**63)]),
    (
        "timestamptz",
        codec.timestamps,
        [
            datetime(2030, 1, 2, 3, 4, 5, 678901, UTC),
            None,
            datetime(1900, 1, 1, tzinfo=UTC),
            datetime(2030, 6, 1, tzinfo=timezone(timedelta(hours=-7))),
        ],
    ),
]


def _as_it_is(value: Any) -> Any:
    return value


@pytest.mark.parametrize(("kind", "write", "values"), CASES, ids=[case[0] for case in CASES])
def test_what_is_written_comes_back(
    postgres_dsn: str,
    kind: str,
    write: Callable[[Any], codec.Array],
    values: Sequence[Any],
) -> None:
    dialect = Dialect("public", "test")
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        for some in (values, values[:1], []):
            statement = f"select unnest(%(them)s::{kind}[])".encode()
            found = dialect.run(connection, statement, {"them": write(some)})
            read = codec.exact_timestamp if kind == "timestamptz" else _as_it_is
            read_all = [None if one is None else read(one) for [one] in found]
            assert read_all == list(some)


def test_what_an_array_holds_is_not_shown() -> None:
    assert "secret" not in repr(codec.texts(["secret"]))
