"""Judges every write of a statement: which jobs it can touch, and why it may."""

import re
from collections.abc import Mapping, Sequence

from attrs import frozen

from tests.unit.sql_rows import (
    JOBS,
    Claim,
    Proof,
    Rows,
    Scope,
    is_as_read,
    is_fenced,
    is_not_ended,
    is_unreserved,
    is_unreserved_and_ended,
)
from tests.unit.sql_statements import WRITING, Select, Statement, Write, statement_of
from tests.unit.sql_tokens import Group, Items, RefusedError, flat, split, tree, words

ENDED = ("{jobs_succeeded}", "{jobs_failed}")
OTHERS = ("{owners}", "{migrations}", "{failures}", "{failure_words}")
DERIVED = ("{failures}", "{failure_words}")
"""What is made of other rows, and can be made again."""
KEPT = (
    *("id", "name", "payload", "priority", "reservations", "created_at", "available_at"),
    *("reserved_at", "reserved_by", "unique_key", "occurrence"),
)
"""What an ended job has from the live one, as it was."""


@frozen
class Verdict:
    """What one write may touch."""

    verb: str
    table: str
    because: str
    """new, unreserved, as read, ended before, fenced, ended, pruned or other."""
    all_fenced: bool = False
    """Of a write into the ended jobs: that none of the fenced rows is left out afterwards."""


def judge(text: str, dialect: str) -> list[Verdict]:
    """Give a verdict on each write of a statement; `RefusedError` where there is none."""
    statement = statement_of(tree(text))
    scope = Scope(dialect, statement.named)
    return [_verdict(write, statement, scope) for write in statement.writes.values()]


def check_leaving(verdicts: Sequence[Sequence[Verdict]]) -> None:
    """Refuse a file whose fenced jobs leave without becoming ended ones before or with it."""
    recorded = False
    for statement in verdicts:
        recorded = recorded or any(one.all_fenced for one in statement)
        for one in statement:
            if (one.verb, one.table, one.because) == (
                "delete",
                JOBS,
                "fenced",
            ) and not recorded:
                raise RefusedError("a settled job is deleted that was not recorded")


def _verdict(write: Write, statement: Statement, scope: Scope) -> Verdict:
    table = write.target.what
    if table == JOBS:
        return Verdict(write.verb, table, _JUDGES[write.verb](write, scope))
    if table in ENDED and write.verb == "insert":
        return Verdict("insert", table, "ended", _check_ended(write, statement, scope))
    if table in ENDED and write.verb == "delete":
        return Verdict("delete", table, "pruned")
    if table in OTHERS:
        return Verdict(write.verb, table, "other")
    raise RefusedError(f"{write.verb} of {table}")


def _touches_only(write: Write, claim: Claim, scope: Scope) -> bool:
    return Proof(claim, scope).holds(Rows.written(write), write.target)


def _insert(write: Write, scope: Scope) -> str:
    columns = [flat(one) for one in write.values]
    if flat(write.conflict) in ("", "do nothing") and write.query is not None:
        if {"reserved_by", "reserved_at", "reservations"}.isdisjoint(columns):
            return "new"
        raise RefusedError("a new job begins reserved")
    conflict = flat(write.conflict)
    begin = "( id ) do update set "
    if conflict.startswith(begin) and _inserted_ids_are_fenced(write, scope):
        _check_released(_settings(split(write.conflict[4:], ",")))
        return "fenced"
    raise RefusedError("an upsert meets jobs that are not fenced")


def _inserted_ids_are_fenced(write: Write, scope: Scope) -> bool:
    """The row that an upsert by id meets is the one whose id it inserts."""
    value, select = _inserted(write, "id")
    return Proof(is_fenced, scope).gives(value, "id", Rows.of(select))


def _inserted(write: Write, column: str) -> tuple[Items, Select]:
    columns = [flat(one) for one in write.values]
    if write.query is None or len(write.query) != 1 or columns.count(column) != 1:
        raise RefusedError(f"expected one select that gives {column}")
    [select] = write.query
    if len(select.values) != len(columns):
        raise RefusedError("an insert has other columns than its select")
    return select.values[columns.index(column)], select


def _update(write: Write, scope: Scope) -> str:
    settings = _settings(write.values)
    if _touches_only(write, is_fenced, scope):
        _check_released(settings)
        return "fenced"
    if _touches_only(write, is_unreserved, scope):
        _check_numbered(settings, write.target.alias)
        return "unreserved"
    raise RefusedError("an update without the fence")


def _delete(write: Write, scope: Scope) -> str:
    if _touches_only(write, is_fenced, scope):
        return "fenced"
    if _touches_only(write, is_as_read, scope):
        return "as read"
    if _touches_only(write, is_unreserved_and_ended, scope):
        return "ended before"
    raise RefusedError("a delete without the fence")


_JUDGES = {"insert": _insert, "update": _update, "delete": _delete}


def _settings(values: Sequence[Items]) -> Mapping[str, str]:
    pairs = [flat(one).partition(" = ") for one in values]
    return {column: value for column, _, value in pairs}


def _check_released(settings: Mapping[str, str]) -> None:
    """A settlement gives the reservation back, and leaves its number for the next to raise."""
    given_back = [settings.get(one) for one in ("reserved_by", "reserved_at")]
    if given_back != ["null", "null"] or {"id", "reservations"} & set(settings):
        raise RefusedError("a settled job stays reserved, or changes its number")


def _check_numbered(settings: Mapping[str, str], alias: str) -> None:
    """Whoever reserves raises the number: the fence of those before holds no more."""
    raised = settings.get("reservations", "").removeprefix(f"{alias} . ")
    if raised != "reservations + 1" or "id" in settings:
        raise RefusedError("a job is written, and its number not raised")


def _check_ended(write: Write, statement: Statement, scope: Scope) -> bool:
    """Refuse ended jobs that are none; say whether each fenced job becomes one."""
    if flat(write.conflict) not in ("", "( id ) do nothing"):
        raise RefusedError("an ended job is changed")
    value, select = _inserted(write, "id")
    alias = flat(value).removesuffix("id")
    for column in KEPT:
        if flat(_inserted(write, column)[0]) != f"{alias}{column}":
            raise RefusedError(f"the {column} of an ended job is another one")
    rows = Rows.of(select)
    if _gives_what_is_deleted(select, statement, scope):
        name = select.sources[0].alias
        return select.whole and all(is_not_ended(flat(one), name) for one in rows.conjuncts())
    if not Proof(is_fenced, scope).gives(value, "id", rows):
        raise RefusedError("a job ends that is not fenced")
    return select.whole and len(list(rows.conjuncts())) == len(("id", "owner", "number"))


def _gives_what_is_deleted(select: Select, statement: Statement, scope: Scope) -> bool:
    """Say whether these are the rows of a named query that deletes fenced jobs."""
    if len(select.sources) != 1:
        return False
    deleting = statement.writes.get(select.sources[0].what)
    if deleting is None or (deleting.verb, deleting.target.what) != ("delete", JOBS):
        return False
    return _touches_only(deleting, is_fenced, scope)


_SHAPES = tuple(
    map(
        re.compile,
        (
            r"create table \{\w+\} \(\)( strict( , without rowid)?| with \(\))?",
            (
                r"create (unique )?index (\w+|\{\w+\}) on \{\w+\}( using gin)? \(\)"
                r"( where \w+ is (not )?null| where is_gone or not is_indexed)?"
            ),
            r"alter table \{\w+\} add column \w+ \w+",
            r"create virtual table \{\w+\} using fts5 \(\)",
        ),
    )
)
"""What a migration may do: no row that stands is touched."""
_TRIGGER = re.compile(
    r"create trigger \{\w+\} after (?:insert|delete) on \{jobs_failed\} begin\n(.*); end",
    re.DOTALL,
)
_FILLS = re.compile(rf"insert into ({'|'.join(map(re.escape, DERIVED))})")


def _check_derived(text: str) -> None:
    if [one.because for one in judge(text, "sqlite")] != ["other"]:
        raise RefusedError(f"a migration that changes rows: {text[:60]}")
    if not any(table in text for table in DERIVED):
        raise RefusedError(f"not what is derived: {text[:60]}")


def check_migration(text: str) -> None:
    """Refuse a statement that does more than make a table, an index or a column.

    What is derived may be filled, and kept by triggers.
    """
    text = re.sub(r"--.*", "", text).strip()
    made = _TRIGGER.fullmatch(text)
    if made or _FILLS.match(text):
        _check_derived(made[1] if made else text)
        return
    items = tree(text)
    shape = " ".join("()" if isinstance(one, Group) else one.text for one in items)
    inner = [token.text for token in words(items)][1:]
    if not any(known.fullmatch(shape) for known in _SHAPES):
        raise RefusedError(f"unknown in a migration: {shape[:60]}")
    if {*WRITING, "references", "cascade", "select"}.intersection(inner):
        raise RefusedError(f"a migration that changes rows: {shape[:60]}")
