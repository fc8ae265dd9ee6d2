"""Rules that every template and every file of the page keeps."""

import re
from pathlib import Path

import pytest

from bgjobs import web
from bgjobs.web.pages import PAGES

FOLDER = Path(web.__file__).parent
TEMPLATES = sorted((FOLDER / "templates").iterdir())
FILES = sorted((FOLDER / "static").iterdir())
FORBIDDEN = re.compile(
    r"\|\s*safe\b|autoescape|Markup|\sstyle=|<style|<script(?! src=)|\son\w+=|javascript:|https?://",
    re.IGNORECASE,
)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_escapes_all_and_has_no_inline_code_and_no_other_site(path: Path) -> None:
    assert FORBIDDEN.findall(path.read_text("utf-8")) == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_loads_nothing_and_makes_no_code_or_markup_of_texts(path: Path) -> None:
    text = path.read_text("utf-8")
    found = r"https?://|@import|url\(|innerHTML|outerHTML|insertAdjacent|document\.write|eval\("
    assert re.findall(found, text) == []


@pytest.mark.parametrize(
    "text",
    ["{{ a | safe }}", '<p style="x">', "<script>", '<b onclick="x">', "https://cdn.example"],
)
def test_a_template_that_breaks_a_rule_is_noticed(text: str) -> None:
    assert FORBIDDEN.search(text)


def test_every_page_has_a_path_and_a_template_of_its_own() -> None:
    names = {path.name for path in TEMPLATES}
    assert {page.template for page in PAGES} <= names
    assert len({page.path for page in PAGES}) == len(PAGES)
    assert len({page.title for page in PAGES}) == len(PAGES)


def test_every_folder_has_only_files_that_the_page_sends() -> None:
    assert {path.suffix for path in TEMPLATES} == {".html"}
    assert {path.suffix for path in FILES} == {".css", ".js"}
