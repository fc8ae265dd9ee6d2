"""The project's Markdown documents, and the blocks of code in them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
BUILT = ROOT / "docs" / "_build"
DOCUMENTS = sorted(
    [
        *ROOT.glob("*.md"),
        *(path for path in (ROOT / "docs").rglob("*.md") if BUILT not in path.parents),
    ]
)
SHOWN = [path for path in DOCUMENTS if path.name == "README.md" or path.parent != ROOT]
"""The documents whose blocks of Python are programs."""

_BLOCK = re.compile(
    r"^(?:<!-- (?P<mark>[\w-]+) -->\n+)?```python\n(?P<code>.*?)^```$"
    r"(?:\n+```text\n(?P<printed>.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)


class Block(NamedTuple):
    """A block of Python, and the block of text directly after it."""

    place: str
    mark: str | None
    code: str
    printed: str | None


def named(path: Path) -> str:
    """Return the name of a document in the list of tests."""
    return str(path.relative_to(ROOT))


def blocks(path: Path) -> Iterator[Block]:
    """Yield the blocks of a document. ``<!-- mark -->`` above a block selects how it is run."""
    text = path.read_text("utf-8")
    for found in _BLOCK.finditer(text):
        line = text.count("\n", 0, found.start("code")) + 1
        place = f"{named(path)}:{line}"
        yield Block(place, found["mark"], found["code"], found["printed"])
