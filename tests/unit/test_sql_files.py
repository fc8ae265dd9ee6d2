"""The .sql files of both dialects: the same names, all used, every settlement fenced."""

import re
from pathlib import Path

import pytest

import bgjobs.stores

_STORES = Path(bgjobs.stores.__file__).parent
_DIALECTS = ("sqlite", "postgres")
_SETTLEMENTS = ("succeed", "fail", "requeue", "drop")
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
    files = [*_STORES.glob("*.py"), *(_STORES / dialect).glob("*.py")]
    code = "".join(file.read_text() for file in files)
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
    assert writing == {"enqueue", "reserve", "replace", *_SETTLEMENTS}


@pytest.mark.parametrize("dialect", _DIALECTS)
def test_replacing_is_fenced(dialect: str) -> None:
    """It deletes a row that nobody holds, and only as it was read."""
    [statement] = filter(str.strip, _statements(dialect)["replace"].split(";\n"))
    assert re.search(r"\bid = [:%(]+id", statement)
    assert re.search(r"\breserved_by is null\b", statement)
    assert re.search(r"\breservations = [:%(]+reservations", statement)


_SHARED = re.compile(r"\bunique_key,\s+(?:\w+\.)?(?:new_)?errors\b(,?\s*(?:\w+\.)?occurrence)?")


@pytest.mark.parametrize("dialect", _DIALECTS)
def test_every_list_of_columns_goes_on_to_the_last(dialect: str) -> None:
    """A row without it would lose what a job of a schedule knows."""
    lists = [one for text in _statements(dialect).values() for one in _SHARED.finditer(text)]
    assert len(lists) > 10
    assert [one[0] for one in lists if one[1] is None] == []
