"""Stored texts as markup: escaped, cut, and with each invisible character as a visible one."""

from itertools import groupby

from markupsafe import Markup, escape

from bgjobs._core.text import is_visible, visible

LONGEST_NAME = 100
"""Characters of a name that are shown."""
LONGEST_PASSAGE = 10_000
"""Characters of a text of several lines that are shown."""
_NAME = Markup('<bdi class="name">{}{}</bdi>')
_PASSAGE = Markup('<pre class="passage"><bdi>{}</bdi></pre>{}')
_INVISIBLE = Markup('<span class="invisible">{}</span>')
_CUT = Markup('<span class="cut">{}</span>')


def name(text: str, longest: int = LONGEST_NAME) -> Markup:
    """Return a text of one line, isolated from the direction of the text around it."""
    return _NAME.format(marked(text[:longest]), left_out(len(text) - longest))


def passage(text: str, longest: int = LONGEST_PASSAGE) -> Markup:
    """Return a text of several lines, which keeps its ends of lines."""
    return _PASSAGE.format(lines(text[:longest]), left_out(len(text) - longest))


def lines(text: str) -> Markup:
    """Return all of a text, with its ends of lines as they are."""
    return Markup("\n").join(map(marked, text.replace("\r\n", "\n").split("\n")))


def marked(text: str) -> Markup:
    r"""Return all of a text as one line, with invisible characters as in ``\u202e``.

    These are set apart, so that a reader distinguishes them from a text with a backslash.
    """
    if is_visible(text):
        return escape(text)
    parts = groupby(text, is_visible)
    return Markup("").join(
        (escape if seen else _set_apart)("".join(part)) for seen, part in parts
    )


def label(text: str, longest: int) -> str:
    """Return a text as one line of at most `longest` characters, for titles and pictures."""
    shown = visible(text[: longest + 1])
    return shown if len(shown) <= longest else f"{shown[: longest - 1]}…"


def left_out(count: int, noun: str = "character") -> Markup:
    """Return the remark that `count` things are not shown; nothing if all are."""
    return remark(f"… {plural(count, f'more {noun}')}") if count > 0 else Markup("")


def remark(text: str) -> Markup:
    """Return a remark of the page itself, which readers distinguish from stored text."""
    return _CUT.format(text)


def plural(count: int, noun: str) -> str:
    """Return a count with its noun: ``1 frame``, ``2,000 frames``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _set_apart(text: str) -> Markup:
    return _INVISIBLE.format(visible(text))
