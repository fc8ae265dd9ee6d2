"""The .sql files of both dialects: the same names, all used, every settlement fenced."""

import re
from pathlib import Path

import pytest

import bgjobs.stores

_STORES = Path(bgjobs.stores.__file__).parent
_DIALECTS = ("sqlite", "postgres")
_SETTLEMENTS = ("succeed", "fail", "requeue")
_WRITES = re.compile(r"\b(?:insert into|update|delete from)\s+\{(\w+)\}", re.IGNORECASE)


def _statements(dialect: str) -> dict[str, str]:
    return {file.stem: file.read_text() for file in (_STORES / dialect / "sql").glob("*.sql")}


def test_both_dialects_have_the_same_statements() -> None:
    sqlite, postgres = map(_statements, _DIALECTS)
    assert sorted(sqlite) == sorted(postgres)


def test_both_dialects_have_the_same_migrations() -> None:
    names = [
        sorted(file.name for file in (_STORES / dialect / "migrations").glob("*.sql"))
        for dialect in _DIALECTS
    ]
    assert names[0] == names[1]
    assert [int(name[:4]) for name in names[0]] == list(range(1, len(names[0]) + 1))


@pytest.mark.parametrize("dialect", _DIALECTS)
def test_every_statement_is_used(dialect: str) -> None:
    code = "".join(file.read_text() for file in (_STORES / dialect).glob("*.py"))
    unused = [name for name in _statements(dialect) if f'"{name}"' not in code]
    assert unused == []


@pytest.mark.parametrize("verb", _SETTLEMENTS)
@pytest.mark.parametrize("dialect", _DIALECTS)
def test_every_settlement_is_fenced(dialect: str, verb: str) -> None:
    """Each statement compares all three parts of the reservation."""
    text = _statements(dialect)[verb]
    for statement in filter(str.strip, text.split(";\n")):
        for column in ("id", "reserved_by", "reservations"):
            assert re.search(rf"\b{column} = [\w(]", statement), (column, statement)


@pytest.mark.parametrize("dialect", _DIALECTS)
def test_only_settlements_and_reserve_write_reserved_jobs(dialect: str) -> None:
    """A new statement that touches a live row must be fenced and named here."""
    writing = {
        name
        for name, text in _statements(dialect).items()
        for table in _WRITES.findall(text)
        if table == "jobs"
    }
    assert writing == {"enqueue", "reserve", *_SETTLEMENTS}
