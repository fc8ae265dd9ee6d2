"""JSON of arguments and results as folded trees, and as an outline without values.

The text is that of a row: it may be no JSON, nested without end, or megabytes long. Numbers are
shown with the digits that are stored, and members of the same name are all shown.
"""

import json
from collections.abc import Collection, Sequence
from typing import TypeAlias, cast, final

from markupsafe import Markup

from bgjobs.web.present import text as texts

LONGEST_DOCUMENT = 2**20
"""Characters of a text that is read as JSON; bgjobs stores none that is longer."""
MOST_DEPTH = 32
"""Levels of arrays and objects that are shown."""
MOST_ENTRIES = 100
"""Members or items of one object or array that are shown."""
LONGEST_STRING = 1_000
"""Characters of one string that are shown."""
ROOM = 200_000
"""Characters of markup that a tree may have, apart from escapes."""
_LEAST_ROOM = 250
"""The room of one entry; what is nested in it is summarised if it has less."""
_OPEN_DEPTH = 2
_FEW_ENTRIES = 20
"""The outermost levels with at most this many entries are not folded."""
_LONGEST_DIGITS = 400


# No attrs classes: a megabyte may have 350,000 objects, and those take more than twice as long.
@final
class _Digits(str):
    """A number as it is written."""

    __slots__ = ()


@final
class _Object(list[tuple[str, "_Value"]]):
    """The members of an object in their order; names may be repeated."""

    __slots__ = ()


_Value: TypeAlias = "_Digits | _Object | str | bool | list[_Value] | None"
_Entry: TypeAlias = "tuple[str | None, _Value]"

_SCALAR = Markup('<span class="json-{}">{}</span>')
_STRING = Markup('<span class="json-string"><bdi>"{}"</bdi>{}</span>')
_FOLD = Markup(
    '<details class="json"{}><summary>{}</summary><ul class="json-entries">{}{}</ul></details>'
)
_OPEN = Markup(" open")
_MEMBER = Markup("<li>{}: {}</li>")
_ITEM = Markup("<li>{}</li>")
_MASKED = Markup('<span class="masked">hidden</span>')
_OUTLINE = Markup('<dl class="outline">{}</dl>')
_ROW = Markup("<dt>{}</dt><dd>{}</dd>")
_NO_JSON = Markup("{}{}")


def json_tree(document: str, hidden: Collection[str]) -> Markup:
    """Return a stored JSON value as a tree.

    Args:
        document: The text of the arguments or of the result.
        hidden: The names of members whose values are not shown, at any depth: those of
            `Worker.redacted`. For a worker that is not known, use `json_outline`.
    """
    try:
        value = _parsed(document)
    except (ValueError, RecursionError):
        return _not_json(document, hidden)
    return _node(value, 0, ROOM, hidden)


def json_outline(document: str) -> Markup:
    """Return the names and the types of stored arguments, without any value.

    Names that no parameter of a function can have are not shown, because they may be data.
    """
    try:
        value = _parsed(document)
    except (ValueError, RecursionError):
        return texts.remark(f"no readable JSON: {texts.plural(len(document), 'character')}")
    if not isinstance(value, _Object):
        return texts.remark(_kind(value))
    shown = value[:MOST_ENTRIES]
    rows = Markup("").join(_ROW.format(_argument(name), _kind(one)) for name, one in shown)
    more = texts.left_out(len(value) - len(shown), "argument")
    return _OUTLINE.format(rows) + more


def _parsed(document: str) -> _Value:
    if len(document) > LONGEST_DOCUMENT:
        raise ValueError("too long to be read")
    found: _Value = json.loads(
        document,
        parse_int=_Digits,
        parse_float=_Digits,
        parse_constant=_Digits,
        object_pairs_hook=_Object,
    )
    return found


def _not_json(document: str, hidden: Collection[str]) -> Markup:
    """Return the text itself, unless it may contain what is hidden."""
    note = texts.remark(f"no readable JSON: {texts.plural(len(document), 'character')}")
    return note if hidden else _NO_JSON.format(note, texts.passage(document))


def _node(value: _Value, depth: int, room: int, hidden: Collection[str]) -> Markup:
    if not isinstance(value, list):
        return _scalar(value, room)
    entries = _entries(value)
    if not entries:
        return _SCALAR.format("empty", _kind(value))
    if depth == MOST_DEPTH or room < _LEAST_ROOM:
        return texts.remark(f"{_kind(value)}, not shown")
    return _fold(_kind(value), entries, depth, room, hidden)


def _fold(
    kind: str, entries: Sequence[_Entry], depth: int, room: int, hidden: Collection[str]
) -> Markup:
    """Return the entries of an object or an array; each may use what the others leave."""
    shown = entries[: min(MOST_ENTRIES, max(1, room // _LEAST_ROOM))]
    parts: list[Markup] = []
    for index, (name, one) in enumerate(shown):
        part = _entry(name, one, depth + 1, room // (len(shown) - index), hidden)
        parts.append(part)
        room -= len(part)
    is_open = depth < _OPEN_DEPTH and len(entries) <= _FEW_ENTRIES
    more = texts.left_out(
        len(entries) - len(shown), "item" if shown[0][0] is None else "member"
    )
    rest = _ITEM.format(more) if more else ""
    return _FOLD.format(_OPEN if is_open else "", kind, Markup("").join(parts), rest)


def _entry(
    name: str | None, one: _Value, depth: int, room: int, hidden: Collection[str]
) -> Markup:
    if name is None:
        return _ITEM.format(_node(one, depth, room, hidden))
    value = _MASKED if name in hidden else _node(one, depth, room, hidden)
    return _MEMBER.format(texts.name(name), value)


def _scalar(value: "_Digits | str | bool | None", room: int) -> Markup:
    if isinstance(value, _Digits):
        return _SCALAR.format("number", texts.label(value, _LONGEST_DIGITS))
    if isinstance(value, str):
        shown = min(LONGEST_STRING, max(room // 2, 20))
        return _STRING.format(texts.marked(value[:shown]), texts.left_out(len(value) - shown))
    return _SCALAR.format("literal", "null" if value is None else f"{value}".lower())


def _entries(value: "_Object | list[_Value]") -> Sequence[_Entry]:
    if isinstance(value, _Object):
        return cast("Sequence[_Entry]", value)
    return [(None, one) for one in value]


def _argument(name: str) -> Markup:
    if name.isidentifier() and len(name) <= texts.LONGEST_NAME:
        return texts.name(name)
    return texts.remark("another name")


def _kind(value: _Value) -> str:
    """Return the type of a value, and how much is in it."""
    if isinstance(value, _Object):
        return f"object, {texts.plural(len(value), 'member')}"
    if isinstance(value, list):
        return f"array, {texts.plural(len(value), 'item')}"
    if isinstance(value, str):
        return "number" if isinstance(value, _Digits) else "string"
    return "null" if value is None else "bool"
