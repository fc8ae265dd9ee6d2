"""What every process of a storm writes down: short lines, each whole even if it dies."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias, final

Line: TypeAlias = list[Any]
"""A word for what happened, and its details; read from JSON, hence Any."""


@final
class Journal:
    """One file for all processes."""

    def __init__(self, path: str) -> None:
        # Appending is one step for the system, so the lines of all processes stay whole.
        self._file = os.open(path, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o644)

    def write(self, what: str, *details: Any) -> None:
        """Add one line."""
        os.write(self._file, f"{json.dumps([what, *details])}\n".encode())


def lines_of(path: Path) -> Iterator[Line]:
    """Give what was written so far, without a line that is being written."""
    text = path.read_text() if path.exists() else ""
    for line in text[: text.rfind("\n") + 1].splitlines():
        yield json.loads(line)
