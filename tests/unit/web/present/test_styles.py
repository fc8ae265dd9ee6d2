"""Each class of the markup has a rule, and the colours have enough contrast (WCAG 2.2, AA)."""

import re

import pytest

from tests.unit.web.present.markup import STYLES

_LIGHT, _, _DARK = STYLES.partition("@media (prefers-color-scheme: dark)")
_COLOUR = re.compile(r"--present-([a-z-]+): #([0-9a-f]{6});")
_GROUNDS = {"ground", "raised", "warned-ground"}
_SHAPES = {"line"}


def luminance(colour: str) -> float:
    parts = [int(colour[index : index + 2], 16) / 255 for index in (0, 2, 4)]
    linear = [
        one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [_LIGHT, _DARK], ids=["light", "dark"])
def test_colours_have_contrast(scheme: str) -> None:
    colours = dict(_COLOUR.findall(scheme))
    assert set(colours) > _GROUNDS | _SHAPES
    low = {
        (name, ground)
        for name in set(colours) - _GROUNDS
        for ground in ("ground", "raised")
        if contrast(colours[name], colours[ground]) < (3 if name in _SHAPES else 4.5)
    }
    assert low == set()
    assert contrast(colours["warned"], colours["warned-ground"]) >= 4.5


def test_both_schemes_have_the_same_colours() -> None:
    assert dict(_COLOUR.findall(_LIGHT)).keys() == dict(_COLOUR.findall(_DARK)).keys()
    used = set(re.findall(r"var\(--present-([a-z-]+)\)", STYLES))
    assert used == dict(_COLOUR.findall(_LIGHT)).keys()


def test_the_styles_load_nothing() -> None:
    assert not re.search(r"url\(|@import|expression|javascript", STYLES)
