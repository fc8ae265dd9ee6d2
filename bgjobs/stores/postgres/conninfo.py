"""Connection strings: read, checked and named, without a word of what may be a password.

The driver's messages quote the part that it could not read, and a password with a sign that
should have been escaped ends up in the host or in the name of the database, which are shown by
everybody. So strings that look like that are refused before the driver sees them.
"""

import re
from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

_URL = re.compile(r"postgres(?:ql)?://")
_NESTED = re.compile(rf"{_URL.pattern}|\w+\s*=")
"""A connection string in the place of a database's name."""
_PORTS = re.compile(r"[0-9, ]*")


def parts_of(
    text: str, settings: Mapping[str, Any] | None = None, *, what: str = "conninfo"
) -> dict[str, Any]:
    """Read a connection string, with `settings` that go before it; `ValueError` for others."""
    read = _read(text)
    parts = {**(read or {}), **(settings or {})}
    if read is None or _has_stray_at(text) or not _is_plausible(parts):
        raise ValueError(
            f"{what}: expected a PostgreSQL connection string or URL; in a URL, write @ / ? # "
            f"and % of a password as %40 %2F %3F %23 and %25"
        ) from None
    return parts


def label_of(parts: Mapping[str, Any], schema: str) -> str:
    """Name server, database and schema."""
    host = parts.get("host") or parts.get("hostaddr") or "localhost"
    port = parts.get("port") or 5432
    database = parts.get("dbname") or parts.get("user") or ""
    return f"postgresql://{host}:{port}/{database} schema {schema}"


def _read(text: str) -> dict[str, Any] | None:
    # None and no exception, so that the driver's is the context of nothing.
    try:
        return None if "\0" in text else conninfo_to_dict(text)
    except (psycopg.ProgrammingError, UnicodeEncodeError):
        return None


def _is_plausible(parts: Mapping[str, Any]) -> bool:
    host, port, database = (str(parts.get(key) or "") for key in ("host", "port", "dbname"))
    return (
        "@" not in host
        and _PORTS.fullmatch(port) is not None
        and _NESTED.match(database.lstrip()) is None
    )


def _has_stray_at(text: str) -> bool:
    """Say whether the path of a URL has an @: then the / before it was part of a password."""
    begin = _URL.match(text)
    path = text[begin.end() :].partition("?")[0].partition("/")[2] if begin else ""
    return "@" in path
