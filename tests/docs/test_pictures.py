"""The pictures in docs/ are what the library says, and can be read in the dark and aloud."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from docs import lease, pictures

SVG = "{http://www.w3.org/2000/svg}"
PICTURES = {
    pictures.PICTURE: (
        pictures.year_picture,
        "at 02:30 every day (Europe/Paris), in 2026",
        "29 March",
    ),
    lease.PICTURE: (
        lease.lease_picture,
        "A process that is frozen for longer than its lease of 20 s",
        "Until 28 s",
    ),
}


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.name)
def test_a_picture_is_up_to_date(path: Path) -> None:
    draw, _, _ = PICTURES[path]
    assert path.read_text("utf-8") == draw(), "run: nox -s docs"


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.name)
def test_a_picture_is_small_and_has_a_text_for_those_who_cannot_see_it(path: Path) -> None:
    draw, title, told = PICTURES[path]
    picture = ET.fromstring(draw())

    assert len(draw()) < 20_000
    assert picture.findtext(f"{SVG}title") == title
    assert told in (picture.findtext(f"{SVG}desc") or "")
