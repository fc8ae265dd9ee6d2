"""Texts from elsewhere, for a terminal, a log or JSON: what cannot be seen is written out.

Names, keys, reasons and errors are stored by many programs. Characters that a terminal obeys,
that turn the direction of a line, or that have no width could forge what a person reads.
"""

import re

_UNSEEN = (
    "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U000e0100-\U000e01ef"
)
"""What Python holds to be printable, although Unicode gives it no ink."""
_HAS_UNSEEN = re.compile(f"[{_UNSEEN}]")
_MAY_BE_HIDDEN = re.compile("[^ -~]")
_LARGEST_OF_ONE_UNIT = 0xFFFF


def is_visible(text: str) -> bool:
    """Whether a person sees each character of `text`, in the order in which it stands there."""
    return text.isprintable() and (text.isascii() or not _HAS_UNSEEN.search(text))


def visible(text: str) -> str:
    r"""Return `text` as one line, with what cannot be seen as ``\x1b``, ``\n`` or ``\u202e``.

    These are control characters, line ends, blanks other than the space, marks of direction,
    characters without width or meaning, and lone surrogates.
    """
    return text if is_visible(text) else _MAY_BE_HIDDEN.sub(_escape, text)


def visible_lines(text: str) -> str:
    r"""Return `text` like `visible`, but with its ends of lines, each as ``\n``."""
    return "\n".join(map(visible, text.replace("\r\n", "\n").split("\n")))


def visible_json(document: str) -> str:
    r"""Return JSON text of the same value, with what cannot be seen as ``\u202e``."""
    return "\n".join(
        line if is_visible(line) else _MAY_BE_HIDDEN.sub(_escape_json, line)
        for line in document.split("\n")
    )


def _escape(found: "re.Match[str]") -> str:
    character = found[0]
    return character if is_visible(character) else ascii(character)[1:-1]


def _escape_json(found: "re.Match[str]") -> str:
    character = found[0]
    if is_visible(character):
        return character
    if ord(character) > _LARGEST_OF_ONE_UNIT:
        units = character.encode("utf-16-be")
        return f"\\u{units[:2].hex()}\\u{units[2:].hex()}"
    return f"\\u{ord(character):04x}"
