"""Every decision is in the list, and has its alternative and its reasons."""

import re
from pathlib import Path

import pytest

from tests.docs.documents import ROOT

FOLDER = ROOT / "docs" / "design" / "decisions"
PAGES = sorted(path for path in FOLDER.glob("*.md") if path.stem != "index")
ENTRY = re.compile(r"^- \[(?P<title>.+)\]\((?P<file>[\w-]+\.md)\)", re.MULTILINE)


def test_the_list_has_the_title_of_every_page() -> None:
    listed = {
        file: title for title, file in ENTRY.findall((FOLDER / "index.md").read_text("utf-8"))
    }
    titles = {path.name: path.read_text("utf-8").splitlines()[0] for path in PAGES}
    assert {file: f"# {title}" for file, title in listed.items()} == titles


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_decision_names_the_alternative_and_the_reason(path: Path) -> None:
    text = path.read_text("utf-8")
    assert "**Instead of**" in text
    assert "**Because**" in text
