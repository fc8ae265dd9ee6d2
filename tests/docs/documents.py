"""The project's Markdown documents."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def named(path: Path) -> str:
    """Name a document in the list of tests."""
    return str(path.relative_to(ROOT))
