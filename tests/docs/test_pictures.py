"""The pictures in docs/ are what the library says, and can be read in the dark and aloud."""

from xml.etree import ElementTree as ET

from docs.pictures import PICTURE, year_picture

SVG = "{http://www.w3.org/2000/svg}"


def test_the_picture_of_the_year_is_up_to_date() -> None:
    assert PICTURE.read_text("utf-8") == year_picture(), "run: nox -s docs"


def test_the_picture_of_the_year_is_small_and_has_a_text_for_those_who_cannot_see_it() -> None:
    picture = ET.fromstring(year_picture())

    assert len(year_picture()) < 20_000
    assert picture.findtext(f"{SVG}title") == "at 02:30 every day (Europe/Paris), in 2026"
    assert "29 March" in (picture.findtext(f"{SVG}desc") or "")
