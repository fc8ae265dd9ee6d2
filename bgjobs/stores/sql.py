"""Statements live in .sql files, in named blocks, with the same names in every dialect.

A block begins with a line ``-- name: verb``. It may hold several statements, each ending in a
semicolon at the end of a line. Tables and schemas are the only identifiers that a user chooses.
They are written as ``{name}``, checked, quoted and filled in when the store is made, and so are
lists of columns: see `columns`. Everything else is a bound parameter.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import resources

from bgjobs._core.arguments import check_text
from bgjobs.stores.columns import ColumnLists

_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_CHILDLESS = re.compile(r"\s+and not job\.has_children")
"""The condition of statements that leave jobs with children alone."""
_IDENTIFIER = re.compile(r"[a-z_][a-z0-9_]{0,40}")


def check_identifier(what: str, name: str) -> str:
    """Return `name` if it can be used in a statement as (part of) an identifier."""
    check_text(what, name)
    if not _IDENTIFIER.fullmatch(name):
        raise ValueError(
            f"{what}: expected 1 to 41 characters of a-z, 0-9 and _, not beginning with a "
            f"digit, found {name!r}"
        )
    return name


class Statements:
    """The statements of one dialect, with the identifiers of one store filled in."""

    def __init__(
        self,
        package: str,
        quote: Callable[[str], str],
        columns: ColumnLists,
    ) -> None:
        self._package = package
        self._quote = quote
        self._columns = columns
        self._ready: dict[str, tuple[str, ...]] = {}

    def __getitem__(self, verb: str) -> tuple[str, ...]:
        """Return the statements of a block.

        Those of ``verb:ids`` read only the ids of jobs. Those of ``verb:parents`` also settle
        jobs that have children.
        """
        ready = self._ready.get(verb)
        if ready is None:
            name, _, variant = verb.partition(":")
            text = blocks(self._package)[name]
            if variant == "parents":
                text = _CHILDLESS.sub("", text)
            ready = self._ready[verb] = self.filled(text, only_ids=variant == "ids")
        return ready

    def migration(self, file: str) -> tuple[str, ...]:
        """Return the statements of one migration."""
        return self.filled(read(self._package, "migrations", file))

    def migrations(self) -> list[str]:
        """Return the file names of all migrations, in order."""
        folder = resources.files(self._package) / "migrations"
        return sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))

    def script(self, statements: Sequence[str]) -> str:
        """Return statements as the text of a file that can be executed."""
        return "".join(f"{statement.strip()};\n\n" for statement in statements)

    def filled(self, text: str, *, only_ids: bool = False) -> tuple[str, ...]:
        """Return the statements of a text, with the identifiers and columns of the store."""
        whole = self._columns.fill(text, only_ids=only_ids)
        filled = _PLACEHOLDER.sub(lambda found: self._quote(found[1]), whole)
        parts = re.split(r";[ \t]*(?:\n|\Z)", filled)
        return tuple(part for part in parts if part.strip())


@cache
def blocks(package: str) -> Mapping[str, str]:
    """Return the text of every named block of a dialect, in the order of the files."""
    folder = resources.files(package) / "sql"
    files = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    found: dict[str, str] = {}
    for file in files:
        _, *parts = _NAME.split(read(package, "sql", file))
        found.update(zip(parts[::2], parts[1::2], strict=True))
    return found


def read(package: str, folder: str, file: str) -> str:
    """Read one .sql file that is part of the package."""
    return (resources.files(package) / folder / file).read_text("utf-8")
