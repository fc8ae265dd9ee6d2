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
    is_asked_for,
    is_commanded,
    is_failed_and_asked_for,
    is_fenced,
    is_not_ended,
    is_unreserved,
    is_unreserved_and_ended,
    waits_and_is_asked_for,
)
from tests.unit.sql_statements import (
    WRITING,
    Select,
    Source,
    Statement,
    Write,
    query_of,
    statement_of,
)
from tests.unit.sql_tokens import Group, Items, RefusedError, flat, split, tree, words

LEAVING = {"commanded": is_commanded, "fenced": is_fenced, "cancelled": waits_and_is_asked_for}
"""Which deleted jobs have to be recorded as ended ones, and what is shown for them."""
ENDED = ("{jobs_succeeded}", "{jobs_failed}")
OTHERS = (
    *("{owners}", "{migrations}", "{failures}", "{failure_words}"),
    *("{cancellations}", "{paused_queues}", "{starts}", "{jobs_unreadable}"),
)
DERIVED = ("{failures}", "{failure_words}")
"""What is made of other rows, and can be made again."""
KEPT = (
    *("id", "name", "payload", "priority", "reservations", "created_at", "available_at"),
    *("reserved_at", "reserved_by", "unique_key", "occurrence"),
)
"""What an ended job has from the live one, as it was."""
KEPT_AGAIN = ("id", "name", "payload", "priority", "reservations", "created_at", "errors")
"""What a job that runs again has from the failed one: old reservations stay old ones."""
CHANGEABLE = {"available_at", "priority"}
"""What may be changed of a job that waits."""


@frozen
class Verdict:
    """What one write may touch."""

    verb: str
    table: str
    because: str
    """new, again, unreserved, changed, as read, ended before, commanded, fenced, key freed,
    cancelled; of ended jobs ended, restored, pruned, live again, not live; or other."""
    records: str = ""
    """Of a write into the ended jobs: of which deleted ones none is left out, by the reason."""


def judge(text: str, dialect: str) -> list[Verdict]:
    """Give a verdict on each write of a statement; `RefusedError` where there is none."""
    statement = statement_of(tree(text))
    scope = Scope(dialect, statement.named)
    return [_verdict(write, statement, scope) for write in statement.writes.values()]


def check_leaving(verdicts: Sequence[Sequence[Verdict]]) -> None:
    """Refuse a file whose jobs leave without becoming ended ones before or with it."""
    recorded = set[str]()
    for statement in verdicts:
        recorded |= {one.records for one in statement}
        for one in statement:
            leaves = (one.verb, one.table) == ("delete", JOBS)
            if leaves and one.because in LEAVING and one.because not in recorded:
                raise RefusedError("a settled job is deleted that was not recorded")


def _verdict(write: Write, statement: Statement, scope: Scope) -> Verdict:
    table = write.target.what
    if table == JOBS:
        return Verdict(write.verb, table, _JUDGES[write.verb](write, scope))
    if table in ENDED and write.verb == "insert":
        if _restores(write):
            return Verdict("insert", table, "restored")
        return Verdict("insert", table, "ended", _check_ended(write, statement, scope))
    if table in ENDED and write.verb == "delete":
        return Verdict("delete", table, _deletes_ended(write, statement))
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
        if {"reserved_by", "reserved_at"}.isdisjoint(columns):
            _check_again(write, scope)
            return "again"
        raise RefusedError("a new job begins reserved")
    conflict = flat(write.conflict)
    begin = "( id ) do update set "
    if conflict.startswith(begin) and _inserted_ids_are_fenced(write, scope):
        _check_released(_settings(split(write.conflict[4:], ",")))
        return "fenced"
    raise RefusedError("an upsert meets jobs that are not fenced")


def _check_again(write: Write, scope: Scope) -> None:
    """A job that runs again is a failed one, with its number, so that old holders have lost."""
    value, select = _inserted(write, "id")
    alias = flat(value).removesuffix("id")
    for column in KEPT_AGAIN:
        if flat(_inserted(write, column)[0]) != f"{alias}{column}":
            raise RefusedError(f"the {column} of a job that runs again is another one")
    key = f"case when {alias}occurrence is null then {alias}unique_key end"
    if flat(_inserted(write, "unique_key")[0]) != key:
        raise RefusedError("a job runs again under the key of its schedule")
    rows = Rows.of(select)
    named = scope.named.get(select.sources[0].what) if len(select.sources) == 1 else None
    if named is not None and not select.conditions:
        [inner] = query_of(named.items)
        if not set(KEPT_AGAIN) <= {flat(one) for one in inner.values}:
            raise RefusedError("a job that runs again is not as it failed")
        rows = Rows.of(inner)
    if not is_failed_and_asked_for(rows, scope):
        raise RefusedError("a job runs again that has not failed")


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
        if settings == {"unique_key": "null"}:
            return "key freed"
        _check_released(settings)
        return "fenced"
    if "reservations" in settings and _touches_only(write, is_unreserved, scope):
        _check_numbered(settings, write.target.alias)
        return "unreserved"
    if _touches_only(write, is_asked_for, scope):
        if not set(settings) <= CHANGEABLE:
            raise RefusedError("more of a waiting job is changed than may be")
        return "changed"
    raise RefusedError("an update without the fence")


def _delete(write: Write, scope: Scope) -> str:
    if _touches_only(write, is_commanded, scope):
        return "commanded"
    if _touches_only(write, is_fenced, scope):
        return "fenced"
    if _touches_only(write, is_as_read, scope):
        return "as read"
    if _touches_only(write, waits_and_is_asked_for, scope):
        return "cancelled"
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


_PRUNED = re.compile(
    r"(?:id = any \( array \( select id|rowid in \( select rowid) "
    r"from (\{jobs_(succeeded|failed)\})(?: indexed by \{\w+\})? "
    r"where (?:name = (?::name|%\(name\)s) and )?\2_at < .*"
)
_LIVE = {
    (
        "id = any ( %(ids)s :: uuid [ ] ) and "
        "exists ( select from {jobs} as live where live . id = job . id )"
    ),
    (
        "rowid in ( select job . rowid from json_each ( :ids ) as asked "
        "cross join {jobs_failed} as job on job . id = asked . value "
        "where exists ( select 1 from {jobs} as live where live . id = job . id ) )"
    ),
}
_NOT_LIVE = (
    (
        "id = any ( %(ids)s :: uuid [ ] ) and job . id <> all ( array ( "
        "select live . id from {{jobs}} as live "
        "where live . id = any ( %(ids)s :: uuid [ ] ) ) )"
    ),
    (
        "rowid in ( select job . rowid from json_each ( :ids ) as asked "
        "cross join {table} as job on job . id = asked . value "
        "where not exists ( select 1 from {{jobs}} as live where live . id = job . id ) )"
    ),
)
"""That they were asked for, and are not live, in each dialect."""


def _deletes_ended(write: Write, statement: Statement) -> str:
    """Ended jobs go when they are old, live again, or asked for and not live."""
    [condition] = map(flat, write.conditions) if len(write.conditions) == 1 else [""]
    pruned = _PRUNED.fullmatch(condition)
    if not write.sources and pruned and pruned[1] == write.target.what:
        return "pruned"
    plain = condition.replace("job . id = any", "id = any")
    if not write.sources and plain in {
        one.format(table=write.target.what) for one in _NOT_LIVE
    }:
        return "not live"
    if write.target.what != "{jobs_failed}" or write.sources:
        raise RefusedError("ended jobs are deleted that may be wanted")
    if plain in _LIVE:
        return "live again"
    named = re.fullmatch(r"id = any \( array \( select id from (\w+) \) \)", condition)
    stored = statement.writes.get(named[1]) if named else None
    if stored and (stored.verb, stored.target.what, stored.returned) == ("insert", JOBS, "id"):
        return "live again"
    raise RefusedError("failed jobs are deleted that are not live")


_NOT_THERE = (
    r"not exists \( select(?: 1)? from {table}(?: as (\w+))? "
    r"where (?:\1 \. )?id = "
    r"(?:{alias} \. id|json_extract \( {alias} \. value , '\$\[0\]' \)) \)"
)


def _restores(write: Write) -> bool:
    """Say whether ended jobs are stored that are given, and not there in another state."""
    if write.query is None or len(write.query) != 1 or len(write.query[0].sources) != 1:
        return False
    [select] = write.query
    [given] = select.sources
    if not _is_given_row(write, select, given) or flat(write.conflict) != "( id ) do nothing":
        return False
    texts = [flat(one) for one in Rows.of(select).conjuncts()]
    patterns = [
        re.compile(_NOT_THERE.format(table=re.escape(table), alias=given.alias))
        for table in (JOBS, "{jobs_succeeded}")
    ]
    return write.target.what == "{jobs_failed}" and all(
        any(map(pattern.fullmatch, texts)) for pattern in patterns
    )


_GIVEN = {"id": "ids", "reservations": "numbers", "reserved_by": "owners"}


def _is_given_row(write: Write, select: Select, given: Source) -> bool:
    """Say whether each column is the value that was given for it."""
    columns = [flat(one) for one in write.values]
    values = [flat(one) for one in select.values]
    if given.what == "json_each":
        places = range(len(columns))
        return values == [f"json_extract ( {given.alias} . value , '$[{n}]' )" for n in places]
    if given.what != "unnest" or given.arguments is None or list(given.columns) != columns:
        return False
    if not set(_GIVEN) <= set(columns):
        return False
    arrays = [flat(one) for one in split(given.arguments, ",")]
    named = {column: arrays[columns.index(column)] for column in _GIVEN}
    return [one.removesuffix(" :: uuid") for one in values] == [
        f"{given.alias} . {column}" for column in columns
    ] and all(named[one].startswith(f"%({array})s ::") for one, array in _GIVEN.items())


_KEY_GIVEN = ("unique_key", "%(unique_key)s :: text")
"""Of a job whose key was freed for the work of the application, and that had it before."""


def _check_ended(write: Write, statement: Statement, scope: Scope) -> str:
    """Refuse ended jobs that are none; say of which deleted jobs each becomes one."""
    if flat(write.conflict) not in ("", "( id ) do nothing"):
        raise RefusedError("an ended job is changed")
    value, select = _inserted(write, "id")
    alias = flat(value).removesuffix("id")
    for column in KEPT:
        value_of = flat(_inserted(write, column)[0])
        if value_of != f"{alias}{column}" and (column, value_of) != _KEY_GIVEN:
            raise RefusedError(f"the {column} of an ended job is another one")
    rows = Rows.of(select)
    for because, claim in LEAVING.items():
        if _gives_what_is_deleted(select, statement, claim, scope):
            name = select.sources[0].alias
            whole = all(is_not_ended(flat(one), name) for one in rows.conjuncts())
            return because if select.whole and whole else ""
        if Proof(claim, scope).gives(value, "id", rows):
            whole = len(list(rows.conjuncts())) == _PARTS_OF_CLAIMS[because]
            return because if select.whole and whole else ""
    raise RefusedError("a job ends that is not fenced")


_PARTS_OF_CLAIMS = {"commanded": 3, "fenced": 3, "cancelled": 2}
"""How many conditions each has: id, owner and number, or id and no owner."""


def _gives_what_is_deleted(
    select: Select, statement: Statement, claim: Claim, scope: Scope
) -> bool:
    """Say whether these are the rows of a named query that deletes such jobs."""
    if len(select.sources) != 1:
        return False
    deleting = statement.writes.get(select.sources[0].what)
    if deleting is None or (deleting.verb, deleting.target.what) != ("delete", JOBS):
        return False
    return _touches_only(deleting, claim, scope)


_SHAPES = tuple(
    map(
        re.compile,
        (
            r"create table \{\w+\} \(\)( strict( , without rowid)?| with \(\))?",
            (
                r"create (unique )?index (\w+|\{\w+\}) on \{\w+\}( using gin)? \(\)"
                r"( where \w+ is (not )?null| where is_gone or not is_indexed"
                r"| where reserved_by is null and priority <> 0"
                r" and available_at (<=|>) created_at)?"
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
