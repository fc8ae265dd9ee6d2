"""Parts of SVG pictures: numbers of bounded length, and looks by class only.

A picture is 360 units wide, so that its texts can be read on a narrow screen. Shapes differ
besides their colours.
"""

from collections.abc import Iterable
from typing import Literal

from markupsafe import Markup

from bgjobs.web.present import text as texts

WIDTH = 360
"""The width of a picture, in its own units."""
LONGEST_TITLE = 300

_PICTURE = Markup('<svg class="{}" viewBox="0 0 {} {}" role="{}"><title>{}</title>{}</svg>')
_PATH = Markup('<path class="{}" d="{}"/>')
_TEXT = Markup('<text class="chart-label" x="{}" y="{}" text-anchor="{}">{}</text>')
_LEGEND = Markup('<ul class="legend">{}</ul>')
_KEY = Markup(
    '<li><svg class="legend-key" viewBox="0 0 12 12" aria-hidden="true">{}</svg>{}</li>'
)
_STRIPE = 4
"""Units between two stripes."""


def picture(
    kind: str,
    title: str,
    height: float,
    parts: Iterable[Markup],
    *,
    width: float = WIDTH,
    role: Literal["img", "group"] = "img",
) -> Markup:
    """Return a picture whose title tells its facts to readers who do not see it.

    One with links in it is a group: readers do not enter an image.
    """
    return _PICTURE.format(
        kind,
        units(width),
        units(height),
        role,
        texts.label(title, LONGEST_TITLE),
        Markup("").join(parts),
    )


def path(kind: str, steps: str) -> Markup:
    """Return a shape of a class; nothing without steps."""
    return _PATH.format(kind, steps) if steps else Markup("")


def text(x: float, y: float, words: str, longest: int, anchor: str = "start") -> Markup:
    """Return a line of text."""
    return _TEXT.format(units(x), units(y), anchor, texts.label(words, longest))


def units(number: float) -> str:
    """Return a coordinate with at most one decimal."""
    return f"{number:.1f}".removesuffix(".0")


def box(x: float, y: float, width: float, height: float) -> str:
    """Return the steps of a rectangle."""
    w = units(width)
    return f"M{units(x)} {units(y)}h{w}v{units(height)}h-{w}z"


def stripes(x: float, y: float, width: float, height: float) -> str:
    """Return the steps of horizontal lines across a rectangle."""
    count = int(height // _STRIPE)
    return "".join(
        f"M{units(x)} {units(y + height - step * _STRIPE)}h{units(width)}"
        for step in range(1, count + 1)
    )


def middle(x: float, y: float, width: float, height: float) -> str:
    """Return the steps of a vertical line in the middle of a rectangle."""
    return f"M{units(x + width / 2)} {units(y)}v{units(height)}"


def cross(x: float, y: float, size: float) -> str:
    """Return the steps of two diagonal lines."""
    s = units(size)
    return f"M{units(x)} {units(y)}l{s} {s}m-{s} 0l{s} -{s}"


def tick(x: float, y: float, size: float) -> str:
    """Return the steps of a check mark."""
    return (
        f"M{units(x)} {units(y + size * 0.5)}l{units(size * 0.4)} {units(size * 0.4)}"
        f"l{units(size * 0.6)} -{units(size * 0.8)}"
    )


def dot(x: float, y: float, radius: float) -> str:
    """Return the steps of a filled circle around a point."""
    r, d = units(radius), units(2 * radius)
    return f"M{units(x - radius)} {units(y)}a{r} {r} 0 1 0 {d} 0a{r} {r} 0 1 0 -{d} 0"


def legend(entries: Iterable[tuple[Markup, str]]) -> Markup:
    """Return what the shapes mean: pairs of a shape, in 12 by 12 units, and words."""
    return _LEGEND.format(
        Markup("").join(_KEY.format(shape, words) for shape, words in entries)
    )
