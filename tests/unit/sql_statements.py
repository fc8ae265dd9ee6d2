"""Statements as values: what a query reads, what a write writes, and under which conditions."""

from collections.abc import Mapping

from attrs import evolve, frozen

from tests.unit.sql_tokens import (
    Group,
    Items,
    RefusedError,
    Token,
    clauses,
    flat,
    split,
    starts,
    word,
    words,
)

_SELECT = ("select", "from", "where", "group", "having", "order", "limit", "for", "window")
_CLAUSES = {
    "update": ("update", "set", "from", "where", "returning"),
    "delete": ("delete", "using", "where", "returning"),
}
_JOINS = ("cross", "join", "inner", "left", "right", "full", "natural", "outer")
WRITING = frozenset(
    (
        *("insert", "update", "delete", "merge", "truncate", "replace", "copy", "execute"),
        *("create", "alter", "drop", "trigger", "rule", "grant", "attach", "vacuum"),
        *("do", "call", "reindex"),
    )
)
"""Words that change something, or stand in something that does."""


@frozen
class Source:
    """One thing that is read from: a table, a function's rows, a named or a nested query."""

    alias: str
    what: str
    """``{table}``, or the name of a function or of a common table expression."""
    columns: tuple[str, ...] = ()
    arguments: Items | None = None
    """Of a function."""
    query: "tuple[Select, ...] | None" = None
    """Of a nested query."""


@frozen
class Select:
    """One select, without its order and its limit, which only take rows away."""

    values: tuple[Items, ...]
    sources: tuple[Source, ...]
    conditions: tuple[Items, ...]
    """All of them hold for each of its rows."""
    locks: bool
    """Whether the rows stay as they were read until the transaction ends."""
    whole: bool
    """Whether no row is left out that fulfils the conditions."""


@frozen
class Write:
    """An insert, update or delete."""

    verb: str
    target: Source
    values: tuple[Items, ...] = ()
    """What is set, or the columns of an insert."""
    sources: tuple[Source, ...] = ()
    conditions: tuple[Items, ...] = ()
    query: tuple[Select, ...] | None = None
    """What is inserted."""
    conflict: Items = ()
    returned: str = ""
    """What an insert gives back, as text."""


def without_lock(items: Items) -> list[str]:
    """Give the words of a query, but for the ``update`` of ``for update``."""
    found = [token.text for token in words(items)]
    return [one for n, one in enumerate(found) if n == 0 or found[n - 1 : n + 1] != _LOCK]


_LOCK = ["for", "update"]


def reads_only(items: Items) -> bool:
    """Say whether a query, at no depth, writes anything."""
    known = bool(items) and word(items[0]) in ("select", "with")
    return known and not WRITING.intersection([*without_lock(items), *_into(items)])


def _into(items: Items) -> list[str]:
    """``select ... into`` makes a table."""
    return ["create"] if any(token.text == "into" for token in words(items)) else []


def query_of(items: Items) -> tuple[Select, ...]:
    """Read a query as its selects, whose rows it gives all."""
    if {"intersect", "except"} & {word(node) for node in items}:
        raise RefusedError(f"only union is understood: {flat(items)}")
    arms = split(items, "union")
    return tuple(
        _select(arm[1:] if n and starts(arm, "all") else arm) for n, arm in enumerate(arms)
    )


def _select(items: Items) -> Select:
    found = clauses(items, _SELECT)
    parts = dict(found)
    if found[0][0] != "select" or len(parts) != len(found):
        raise RefusedError(f"expected one select: {flat(items)}")
    sources, conditions = sources_of(parts.get("from", ()))
    if "where" in parts:
        conditions = (*conditions, parts["where"])
    lock = flat(parts.get("for", ()))
    return Select(
        values=tuple(split(parts["select"], ",")),
        sources=sources,
        conditions=conditions,
        locks=lock in ("update", "update skip locked"),
        whole=set(parts) <= {"select", "from", "where"},
    )


def sources_of(items: Items) -> tuple[tuple[Source, ...], tuple[Items, ...]]:
    """Read what stands behind ``from``: the sources, and the conditions of their joins."""
    sources: list[Source] = []
    conditions: list[Items] = []
    while items:
        source, items = _source(items)
        sources.append(source)
        if items and word(items[0]) == "on":
            size = _until_join(items)
            conditions.append(items[1:size])
            items = items[size:]
        items = _behind_join(items)
    if len({one.alias for one in sources}) != len(sources):
        raise RefusedError("two sources have one name")
    return tuple(sources), tuple(conditions)


def _until_join(items: Items) -> int:
    for place, node in enumerate(items):
        if word(node) in _JOINS or (isinstance(node, Token) and node.text == ","):
            return place
    return len(items)


def _behind_join(items: Items) -> Items:
    """Pass a join over; an outer one is refused, as its condition takes no row away."""
    if not items:
        return items
    for join in (("cross", "join"), ("join",)):
        if starts(items, *join):
            return items[len(join) :]
    if isinstance(items[0], Token) and items[0].text == ",":
        return items[1:]
    raise RefusedError(f"unknown join: {flat(items)}")


def _source(items: Items) -> tuple[Source, Items]:
    if starts(items, "lateral"):
        items = items[1:]
    source, items = _primary(items)
    if starts(items, "with", "ordinality"):
        items = items[2:]
    if starts(items, "as"):
        if len(items) < 2 or not word(items[1]):
            raise RefusedError(f"expected a name: {flat(items)}")
        source, items = evolve(source, alias=word(items[1])), items[2:]
        if items and isinstance(items[0], Group):
            source, items = evolve(source, columns=names_in(items[0])), items[1:]
    return source, _behind_index(items)


def _primary(items: Items) -> tuple[Source, Items]:
    if flat(items[:2]) == "pg_catalog .":
        items = items[2:]
    first = items[0] if items else None
    if isinstance(first, Group):
        return Source("", "", query=query_of(first.items)), items[1:]
    if first is None or first.kind not in ("word", "table"):
        raise RefusedError(f"expected a source: {flat(items)}")
    second = items[1] if len(items) > 1 else None
    if first.kind == "word" and isinstance(second, Group):
        return Source(first.text, first.text, arguments=second.items), items[2:]
    return Source(first.text, first.text), items[1:]


def _behind_index(items: Items) -> Items:
    if starts(items, "indexed", "by"):
        return items[3:]
    return items[2:] if starts(items, "not", "indexed") else items


def names_in(group: Group) -> tuple[str, ...]:
    """Give the names of a list such as ``(id, owner)``."""
    names = tuple(flat(part) for part in split(group.items, ","))
    if not all(name.isidentifier() for name in names):
        raise RefusedError(f"expected names: {flat(group.items)}")
    return names


def write_of(items: Items) -> Write:
    """Read an insert, update or delete; whatever else writes is refused."""
    _check_inside(items)
    if starts(items, "insert", "into"):
        return _insert(items[2:])
    verb = word(items[0]) if items else ""
    if verb not in _CLAUSES:
        raise RefusedError(f"neither insert, update nor delete: {flat(items)[:40]}")
    found = clauses(items, _CLAUSES[verb])
    parts = dict(found)
    if len(parts) != len(found) or (verb == "delete" and not starts(items, "delete", "from")):
        raise RefusedError(f"not understood: {flat(items)[:40]}")
    return _changing(verb, parts)


def _changing(verb: str, parts: Mapping[str, Items]) -> Write:
    head = parts[verb] if verb == "update" else parts[verb][1:]
    sources, conditions = sources_of(parts.get("from" if verb == "update" else "using", ()))
    if "where" in parts:
        conditions = (*conditions, parts["where"])
    return Write(
        verb,
        _table(head),
        values=tuple(split(parts.get("set", ()), ",")),
        sources=sources,
        conditions=conditions,
    )


def _insert(items: Items) -> Write:
    if len(items) < 3 or not isinstance(items[1], Group):
        raise RefusedError("an insert has to name its columns")
    columns = tuple((Token("word", name, 0, 0),) for name in names_in(items[1]))
    given, returned = _cut(items[2:], "returning")
    given, conflict = _cut(given, "on", "conflict")
    query = None if starts(given, "values") else query_of(given)
    return Write(
        "insert",
        _table(items[:1]),
        values=columns,
        query=query,
        conflict=conflict,
        returned=flat(returned),
    )


def _cut(items: Items, *phrase: str) -> tuple[Items, Items]:
    for place in range(len(items)):
        if starts(items[place:], *phrase):
            return items[:place], items[place + len(phrase) :]
    return items, ()


def _table(items: Items) -> Source:
    source, rest = _source(items)
    if rest or not source.what.startswith("{") or source.columns:
        raise RefusedError(f"expected a table: {flat(items)}")
    return source


def _check_inside(items: Items) -> None:
    """Refuse a write within a write, but for what an upsert says."""
    said = " ".join(without_lock(items)[1:])
    for phrase in ("do update set", "do nothing"):
        said = said.replace(f" {phrase}", "")
    hidden = WRITING.intersection(said.split())
    if hidden:
        raise RefusedError(f"something else is written inside: {sorted(hidden)}")


@frozen
class Named:
    """A common table expression."""

    columns: tuple[str, ...]
    items: Items


@frozen
class Statement:
    """One statement of a file: its named queries, and what writes in it, also among these."""

    named: Mapping[str, Named]
    writes: Mapping[str, Write]
    """By the name of the query that writes; "" for the statement itself."""


def statement_of(items: Items) -> Statement:
    """Read a statement; nothing in it may write that does not stand among its writes."""
    named: dict[str, Named] = {}
    if starts(items, "with"):
        items = items[2:] if starts(items, "with", "recursive") else items[1:]
        more = True
        while more:
            name, one, items, more = _named(items)
            if name in named:
                raise RefusedError(f"two queries have the name {name}")
            named[name] = one
    bodies = {name: one.items for name, one in named.items()} | {"": items}
    writes = {name: write_of(one) for name, one in bodies.items() if not reads_only(one)}
    return Statement(named, writes)


def _named(items: Items) -> tuple[str, Named, Items, bool]:
    name, items = word(items[0]), items[1:]
    columns: tuple[str, ...] = ()
    if items and isinstance(items[0], Group):
        columns, items = names_in(items[0]), items[1:]
    if starts(items, "as", "materialized"):
        items = (items[0], *items[2:])
    if not name or not starts(items, "as") or not isinstance(items[1], Group):
        raise RefusedError(f"expected a named query: {flat(items)[:40]}")
    one = Named(columns, items[1].items)
    more = len(items) > 2 and flat(items[2:3]) == ","
    return name, one, items[3:] if more else items[2:], more
