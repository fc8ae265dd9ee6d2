"""Faulty variants of the statements, each with one fence removed or weakened.

A fence is what keeps a statement from touching the rows of others: a condition about an id, an
owner, the number of a reservation or a lease, a guard against duplicates, or a lock.
"""

import re
from collections.abc import Iterator

from attrs import field, frozen

from bgjobs.stores.sql import blocks

DIALECTS = ("sqlite", "postgres")

_WRITING = re.compile(r"\b(?:insert into|update|delete from) \{\w+\}")
_LONGEST = 72
_SEPARATOR = re.compile(r";[ \t]*(?:\n|\Z)(?=\s*\S)")
_ALSO = {
    *("abandoned", "find_due", "find_cancellations", "find_set_apart"),
    *("lock_reserved", "refuse_ended", "marked_ends", "marked_names"),
    *("lock_parents", "lock_children", "lock_parent", "lock_owner", "share_owner"),
}
"""Statements that write nothing, but select or lock the rows that the next one writes."""
_TOKEN = re.compile(r"'[^']*'|distinct from|\w+|[();]")
_CONFLICT = (
    r"on conflict(?: \(\w+\))? do (?:nothing|update set\s+"
    r"(?:reason|state|on_cancelled) = excluded[^;]*?(?=\s+returning|;))"
)
_BEGINS = {"where", "on", "when", "and"}
_ENDS = {
    "and", "then", "where", "from", "cross", "returning", "order", "group", "having",
    "limit", "union", "left", "on", "for", ";",
}  # fmt: skip
_FENCE = re.compile(
    r"\b(?:id|job_id|reserved_by|reservations|has_children|parent_id|child_id|lease_expires_at|occurrence|origin|exists|rowid)\b"
)
_NUMBER = re.compile(r"(?:\w+\.)?reservations (=) ")
_REPLACED = (
    ("not locked", r"\bfor (?:update|share|key share)(?: of \w+)?(?: skip locked)?", ""),
    ("locked in turn", r" skip locked", ""),
    ("number not raised", r"reservations \+ 1", "reservations"),
    ("kept reserved", r"\breserved_by = null", "reserved_by = reserved_by"),
    (
        "number from 0",
        r"\{kept_names\}([^{]*)\{kept_names( of \w+)?\}",
        r"{kept_names without reservations}\1{kept_names\2 without reservations}",
    ),
)


@frozen
class Mutant:
    """A statement with one fault."""

    dialect: str
    verb: str
    what: str
    """What was done to which of its conditions; unique within the block."""
    part: str = field(repr=False)
    """The one statement of the block that was changed, as it was."""
    text: str = field(repr=False)
    """The whole block, changed."""


def package_of(dialect: str) -> str:
    """Return the package that has the statements of a dialect."""
    return f"bgjobs.stores.{dialect}"


def statements(dialect: str) -> dict[str, str]:
    """Return the statements that have fences: those that write rows, by their names."""
    found = blocks(package_of(dialect))
    return {
        verb: text for verb, text in found.items() if verb in _ALSO or _WRITING.search(text)
    }


def mutants(dialect: str, verb: str) -> list[Mutant]:
    """Return every mutant of one block."""
    parts = _SEPARATOR.split(without_comments(blocks(package_of(dialect))[verb]))
    found: list[Mutant] = []
    for number, part in enumerate(parts):
        seen: dict[str, int] = {}
        for what, begin, end, other in _changes(part):
            seen[what] = seen.get(what, 0) + 1
            place = f"{number + 1}: " if len(parts) > 1 else ""
            name = f"{place}{what}" if seen[what] == 1 else f"{place}{what} #{seen[what]}"
            # An index that is named holds only while the conditions do.
            changed = re.sub(r" indexed by \{\w+\}", "", part[:begin] + other + part[end:])
            text = ";\n".join([*parts[:number], changed, *parts[number + 1 :]])
            found.append(Mutant(dialect, verb, name, part.strip(), text))
    return found


def without_comments(text: str) -> str:
    """Return the text without what the database does not read."""
    return re.sub(r"--[^\n]*", "", text)


def _changes(text: str) -> Iterator[tuple[str, int, int, str]]:
    """Find what to replace: its name, where it begins and ends, and what takes its place."""
    yield from _changed_conditions(text)
    replaced = (("without on conflict", _CONFLICT, ""), *_REPLACED)
    for what, pattern, other in replaced:
        for found in re.finditer(pattern, text):
            yield what, found.start(), found.end(), found.expand(other)


def _changed_conditions(text: str) -> Iterator[tuple[str, int, int, str]]:
    """Find the conditions of fences, and the numbers in them."""
    for begin, end in sorted(_conditions(text)):
        condition = text[begin:end]
        if not _FENCE.search(condition):
            continue
        short = shorten(" ".join(condition.split()))
        yield f"without {short}", begin, end, "true"
        if number := _NUMBER.match(condition):
            for sign in (">=", "<="):
                yield f"{sign} in {short}", begin + number.start(1), begin + number.end(1), sign


def shorten(text: str) -> str:
    """Cut a text that is long."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _conditions(text: str) -> Iterator[tuple[int, int]]:
    """Find the conditions that are joined by `and`, at every depth of parentheses."""
    open_at: list[int | None] = [None]
    tokens = list(_TOKEN.finditer(text))
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        word = token[0].lower()
        begin = open_at[-1]
        if begin is not None and (word in _ENDS or word == ")"):
            yield begin, len(text[: token.start()].rstrip())
            open_at[-1] = None
        if word == "(":
            open_at.append(None)
        elif word == ")":
            open_at.pop()
        elif word in _BEGINS and following and following[0] != "conflict":
            is_joint = word == "and" and begin is None
            if not is_joint:
                rest = text[token.end() :]
                open_at[-1] = len(text) - len(rest.lstrip())
    if open_at[-1] is not None:
        yield open_at[-1], len(text.rstrip())
