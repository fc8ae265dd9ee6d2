"""The pictures in docs/ are small, accessible, readable in dark mode, and up to date."""

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

import bgjobs
from benchmarks.report import chart
from benchmarks.report.figures import read_json
from tests.docs.documents import BUILT, ROOT

DOCS = ROOT / "docs"
SVG = "{http://www.w3.org/2000/svg}"
PICTURES = sorted(path for path in DOCS.rglob("*.svg") if BUILT not in path.parents)
OF_THE_PAGE = sorted((DOCS / "operate" / "pictures").glob("*.png"))
BENCHMARKS = "docs/operate/benchmarks"


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.name)
def test_a_picture_is_small_and_has_a_text_and_colours_for_the_dark(path: Path) -> None:
    text = path.read_text("utf-8")
    picture = ET.fromstring(text)

    assert len(text) < 20_000
    assert picture.attrib["role"] == "img"
    assert picture.get("aria-label") or picture.findtext(f"{SVG}desc")
    assert "prefers-color-scheme: dark" in text


def test_the_pictures_of_the_web_page_are_small_and_shown() -> None:
    texts = [(ROOT / one).read_text("utf-8") for one in ("README.md", "docs/operate/web.md")]
    shown = set(re.findall(r"pictures/[\w-]+\.png", "".join(texts)))
    assert {f"pictures/{path.name}" for path in OF_THE_PAGE} == shown
    assert [path.name for path in OF_THE_PAGE if path.stat().st_size > 200_000] == []


def test_the_picture_of_a_lease_shows_the_defaults() -> None:
    config = bgjobs.Config(store=bgjobs.SQLiteStore(":memory:"))
    description = ET.parse(DOCS / "design" / "lease.svg").findtext(f"{SVG}desc") or ""

    renewed = 2 * config.heartbeat_interval
    assert f"renews its lease every {config.heartbeat_interval:g} s" in description
    assert f"the lease ends at {renewed + config.lease:g} s" in description
    assert f"At most {config.sweep_interval:g} s later" in description


def test_the_chart_of_the_benchmarks_shows_the_committed_figures() -> None:
    drawn = chart.draw(*read_json(ROOT / f"{BENCHMARKS}.json"))
    command = f"python -m benchmarks report {BENCHMARKS}.json --chart {BENCHMARKS}.svg"
    assert (ROOT / f"{BENCHMARKS}.svg").read_text("utf-8") == drawn, f"run: {command}"
