"""The database with the results of the digest example."""

from contextlib import closing

from tests.e2e.example_program import ExampleProgram

SCRIPT = "digest.py"

Row = tuple[str, int, int, str | None]


def rows_of(digest: ExampleProgram) -> list[Row]:
    """Return the results; none if the table does not exist yet."""
    if not digest.count_done():
        return []
    with closing(digest.connect()) as connection:
        found = connection.execute(f"select path, lines, bytes, sha256 from {digest.table}")
        return [tuple(row) for row in found]


def change(digest: ExampleProgram, statement: str) -> None:
    """Change the results without the example."""
    with closing(digest.connect()) as connection, connection:
        connection.execute(statement.format(table=digest.table))
