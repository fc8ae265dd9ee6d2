"""Which rows a write touches: what is known of them, followed through the queries in it.

A claim is a set of conditions about one row of the jobs. It is shown for the rows of a write
where these conditions stand beside it, joined by ``and``, or where its key is one of the keys
that a query gives, and the claim is shown for all rows of that query.
"""

import re
from collections.abc import Callable, Iterator, Mapping

from attrs import evolve, field, frozen

from tests.unit.sql_statements import Named, Select, Source, Write, query_of, reads_only
from tests.unit.sql_tokens import Group, Items, flat, split, starts, word

JOBS = "{jobs}"
_UNSURE = {"or", "between", "case", "not", "xor", "escape"}
"""Words beside which the parts around ``and`` do not all hold, or are no parts."""


@frozen
class Scope:
    """Where a statement stands."""

    dialect: str
    named: Mapping[str, Named]

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns of which no two jobs have the same."""
        return ("id", "rowid") if self.dialect == "sqlite" else ("id",)


@frozen
class Rows:
    """What is joined, and the conditions that all of it fulfils."""

    sources: tuple[Source, ...]
    conditions: tuple[Items, ...]
    locked: bool

    @classmethod
    def of(cls, select: Select) -> "Rows":
        """Those of one select."""
        return cls(select.sources, select.conditions, select.locks)

    @classmethod
    def written(cls, write: Write) -> "Rows":
        """Those of an update or delete, whose conditions are looked at again under the lock."""
        return cls((write.target, *write.sources), write.conditions, locked=True)

    def source(self, alias: str) -> Source | None:
        """Give a source by its name; a column without one belongs to the only source."""
        if not alias:
            return self.sources[0] if len(self.sources) == 1 else None
        return next((one for one in self.sources if one.alias == alias), None)

    def conjuncts(self) -> Iterator[Items]:
        """Give the conditions that hold for each row by themselves."""
        for condition in self.conditions:
            if not _UNSURE.intersection(map(word, _without_null_tests(condition))):
                yield from split(condition, "and")

    def said(self, source: Source) -> set[str]:
        """Give the same as text, with this source's own columns written without its name."""
        texts = (flat(one) for one in self.conjuncts())
        own = f"{source.alias} . "
        bare = len(self.sources) == 1
        return {text.removeprefix(own) for text in texts if bare or text.startswith(own)}


def _without_null_tests(items: Items) -> Items:
    """Leave ``is not null`` and ``not exists`` out, which are conditions like others."""
    harmless = [("is", "not", "null"), ("not", "exists")]
    for phrase in harmless:
        for place in range(len(items)):
            if starts(items[place:], *phrase):
                return _without_null_tests(items[:place] + items[place + len(phrase) :])
    return items


Claim = Callable[[Rows, Source, Scope], bool]
Value = tuple[str, str]
"""The source of a value, and which part of a reservation it is."""

_PARTS = {"id": "id", "reserved_by": "owner", "reservations": "number"}
_ARRAYS = {
    "%(ids)s :: uuid [ ]": "id",
    "%(owners)s :: uuid [ ]": "owner",
    "%(numbers)s :: integer [ ]": "number",
}
_PLACES = {"'$[0]'": "id", "'$[1]'": "owner", "'$[2]'": "number"}
_COLUMN = re.compile(r"(?:(\w+) \. )?(\w+)")
_EXTRACTED = re.compile(r"json_extract \( (?:(\w+) \. )?value , ('\$\[\d\]') \)")


def is_fenced(rows: Rows, source: Source, scope: Scope) -> bool:
    """Claim that all three parts are those of one settlement."""
    holders = [
        {
            value[0]
            for text in rows.said(source)
            if text.startswith(f"{column} = ")
            and (value := _value(text.removeprefix(f"{column} = "), rows, scope))
            and value[1] == part
        }
        for column, part in _PARTS.items()
    ]
    return bool(set.intersection(*holders))


def is_commanded(rows: Rows, source: Source, scope: Scope) -> bool:
    """Claim that it is fenced, none of a schedule, and that a command for it is stored."""
    said = rows.said(source)
    commands = [one for one in rows.sources if _is_of_commands(one, scope)]
    asked = any(f"id = {one.alias} . job_id" in said for one in commands)
    return asked and "occurrence is null" in said and is_fenced(rows, source, scope)


def _is_of_commands(source: Source, scope: Scope) -> bool:
    named = scope.named.get(source.what)
    if named is None or source.columns or source.arguments is not None:
        return False
    [*arms] = query_of(named.items) if reads_only(named.items) else ()
    return [[one.what for one in arm.sources] for arm in arms] == [["{cancellations}"]]


def is_unreserved(rows: Rows, source: Source, scope: Scope) -> bool:
    """Claim that nobody holds it."""
    return "reserved_by is null" in rows.said(source)


def is_as_read(rows: Rows, source: Source, scope: Scope) -> bool:
    """Claim that it waits, and as it did when it was read."""
    said = rows.said(source)
    sign = ":{}" if scope.dialect == "sqlite" else "%({})s"
    wanted = [f"{name} = {sign.format(name)}" for name in ("id", "reservations")]
    return is_unreserved(rows, source, scope) and said.issuperset(wanted)


def is_asked_for(rows: Rows, source: Source, scope: Scope) -> bool:
    """Claim that it waits, is none of a schedule, and is one of the ids that were given."""
    said = rows.said(source)
    return "occurrence is null" in said and waits_and_is_asked_for(rows, source, scope)


def waits_and_is_asked_for(rows: Rows, source: Source, scope: Scope) -> bool:
    """Claim that it waits, and is one of the ids that were given."""
    said = rows.said(source)
    if not is_unreserved(rows, source, scope):
        return False
    if scope.dialect == "postgres":
        return "id = any ( %(ids)s :: uuid [ ] )" in said
    given = [one.alias for one in rows.sources if _is_given_ids(one)]
    listed = "id in ( select value from json_each ( :ids ) )"
    return listed in said or any(f"id = {alias} . value" in said for alias in given)


def _is_given_ids(source: Source) -> bool:
    arguments = None if source.arguments is None else flat(source.arguments)
    return (source.what, arguments, source.columns) == ("json_each", ":ids", ())


def is_failed_and_asked_for(rows: Rows, scope: Scope) -> bool:
    """Say whether these are the failed jobs of the given ids, and stay so while it is asked."""
    if scope.dialect == "postgres":
        [*texts] = map(flat, rows.conditions)
        whats = [one.what for one in rows.sources]
        asked = texts == ["id = any ( %(ids)s :: uuid [ ] )"]
        return asked and rows.locked and whats == ["{jobs_failed}"]
    texts = [flat(one) for one in rows.conditions if flat(one) != "true"]
    if len(rows.sources) != 2 or not _is_given_ids(rows.sources[0]):
        return False
    given, failed = rows.sources
    return failed.what == "{jobs_failed}" and texts == [
        f"{failed.alias} . id = {given.alias} . value"
    ]


_HAS_ENDED = (
    r"exists \( select from {{jobs_(?:succeeded|failed)}} as (\w+) "
    r"where \{one} \. id = {name} \. id \)"
)


_AMONG_ENDED = re.compile(
    r"id <> all \( array \( "
    r"select (\w+) \. id from \{jobs_succeeded\} as \1 where \1 \. id = any \( .* \) "
    r"union all select (\w+) \. id from \{jobs_failed\} as \2 where \2 \. id = any \( .* \) "
    r"\) \)"
)


def is_not_ended(text: str, name: str) -> bool:
    """Say whether a condition leaves out only jobs that are among the ended ones already."""
    one_by_one = _HAS_ENDED.format(one=1, name=re.escape(name))
    return bool(re.fullmatch(f"not {one_by_one}", text) or _AMONG_ENDED.fullmatch(text))


def is_unreserved_and_ended(rows: Rows, source: Source, scope: Scope) -> bool:
    """Claim that nobody holds it, and that it is among the ended ones already."""
    found = re.compile(
        rf"\( {_HAS_ENDED.format(one=1, name=source.alias)} or "
        rf"{_HAS_ENDED.format(one=2, name=source.alias)} \)"
    )
    has_ended = any(found.fullmatch(flat(one)) for one in rows.conjuncts())
    return has_ended and is_unreserved(rows, source, scope)


def _value(text: str, rows: Rows, scope: Scope) -> Value | None:
    """Say which part of which settlement this is."""
    if extracted := _EXTRACTED.fullmatch(text):
        source = rows.source(extracted[1] or "")
        if source is None or not _is_settled_json(source):
            return None
        return _part(source, _PLACES.get(extracted[2]))
    named = _COLUMN.fullmatch(text)
    source = rows.source(named[1]) if named and named[1] else None
    if named is None or source is None:
        return None
    return _part(source, _part_of_column(source, named[2], scope))


def _part(source: Source, part: str | None) -> Value | None:
    return None if part is None else (source.alias, part)


def _is_settled_json(source: Source) -> bool:
    arguments = None if source.arguments is None else flat(source.arguments)
    return (source.what, arguments, source.columns) == ("json_each", ":settled", ())


def _part_of_column(source: Source, column: str, scope: Scope) -> str | None:
    if source.what == "unnest" and source.arguments is not None:
        arrays = [flat(one) for one in split(source.arguments, ",")]
        given = dict(zip(source.columns, arrays, strict=len(arrays) == len(source.columns)))
        return _ARRAYS.get(given.get(column, ""))
    named = scope.named.get(source.what)
    if named is None or source.arguments is not None or source.columns:
        return None
    return _part_of_named(named, column)


def _part_of_named(named: Named, column: str) -> str | None:
    """A query that takes each settlement apart, all of them and nothing else."""
    if column not in named.columns or not reads_only(named.items):
        return None
    [select, *more] = query_of(named.items)
    if more or select.conditions or not select.whole or len(select.sources) != 1:
        return None
    if not _is_settled_json(select.sources[0]):
        return None
    value = _EXTRACTED.fullmatch(flat(select.values[named.columns.index(column)]))
    return _PLACES.get(value[2]) if value else None


@frozen
class Proof:
    """Shows one claim in one statement."""

    claim: Claim
    scope: Scope
    assumed: frozenset[tuple[str, str]] = field(factory=frozenset)
    """Columns of queries that refer to themselves: their rows come from rows shown before."""
    asked: frozenset[tuple[Rows, Source]] = field(factory=frozenset)
    """What is being shown: nothing is shown by itself."""

    def holds(self, rows: Rows, source: Source) -> bool:
        """Say whether the claim holds for the job that `source` stands for in each row."""
        if source.what != JOBS or source.columns or (rows, source) in self.asked:
            return False
        stays = rows.locked or self.scope.dialect == "sqlite"
        if stays and self.claim(rows, source, self.scope):
            return True
        deeper = evolve(self, asked=self.asked | {(rows, source)})
        return any(deeper._narrows(one, rows, source) for one in rows.conjuncts())

    def _narrows(self, conjunct: Items, rows: Rows, source: Source) -> bool:
        """Say whether a condition lets through only keys of jobs for which it is shown."""
        own = (word(conjunct[0]),) if len(rows.sources) == 1 else ()
        if flat(conjunct[:2]) == f"{source.alias} .":
            own, conjunct = (word(conjunct[2]),), conjunct[2:]
        if not own or own[0] not in self.scope.keys or len(conjunct) < 3:
            return False
        sign, given = flat(conjunct[1:2]), conjunct[2:]
        return sign in ("=", "in") and self.gives(_listed(given), own[0], rows)

    def gives(self, value: Items, key: str, rows: Rows) -> bool:
        """Say whether a value is only ever the key of a job for which the claim is shown."""
        if len(value) == 1 and isinstance(value[0], Group):
            arms = query_of(value[0].items)
            return all(
                len(arm.values) == 1 and self.gives(arm.values[0], key, Rows.of(arm))
                for arm in arms
            )
        if starts(value, "coalesce") and len(value) == 2 and isinstance(value[1], Group):
            return all(self.gives(one, key, rows) for one in split(value[1].items, ","))
        named = _COLUMN.fullmatch(flat(value))
        source = rows.source(named[1] or "") if named else None
        if named is None or source is None:
            return False
        if source.what == JOBS:
            return named[2] == key and self.holds(rows, source)
        return self._column_gives(source, named[2], key)

    def _column_gives(self, source: Source, column: str, key: str) -> bool:
        if source.query is not None:
            return self._arms_give(source.query, source.columns, column, key)
        named = self.scope.named.get(source.what)
        if named is None or source.arguments is not None or not reads_only(named.items):
            return False
        if (source.what, column) in self.assumed:
            return True
        deeper = evolve(self, assumed=self.assumed | {(source.what, column)})
        columns = source.columns or named.columns
        return deeper._arms_give(query_of(named.items), columns, column, key)

    def _arms_give(
        self, arms: tuple[Select, ...], columns: tuple[str, ...], column: str, key: str
    ) -> bool:
        columns = columns or tuple(_name_of(value) for value in arms[0].values)
        if columns.count(column) != 1:
            return False
        place = columns.index(column)
        return all(
            len(arm.values) == len(columns) and self.gives(arm.values[place], key, Rows.of(arm))
            for arm in arms
        )


def _listed(value: Items) -> Items:
    """Give the query of ``any(array(select ...))``; anything else as it is."""
    if len(value) == 2 and starts(value, "any") and isinstance(value[1], Group):
        inside = value[1].items
        return inside[1:] if starts(inside, "array") else ()
    return value


def _name_of(value: Items) -> str:
    return word(value[-1]) if value else ""
