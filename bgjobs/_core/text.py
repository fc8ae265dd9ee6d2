"""Texts of errors: tracebacks, values and names, cut and escaped for both databases.

What builds the text of an error does not raise, because it runs while another failure is
handled.
"""

import re
import traceback
from collections.abc import Sequence
from difflib import get_close_matches
from types import TracebackType
from typing import cast

_CALLERS = frozenset(
    ("bgjobs", "anyio", "trio", "outcome", "asyncio", "concurrent", "threading")
)
"""Top-level packages whose frames are above those of the handler in a traceback."""


def traceback_text(error: BaseException) -> str:
    """Return the traceback of `error`, of its causes and of its group, in Python's format.

    Each traceback begins with the first frame that is neither in bgjobs nor in an event loop;
    if it has no such frame, all are kept. This function may raise what the methods of the error
    raise.
    """
    found = traceback.TracebackException(type(error), error, error.__traceback__, compact=True)
    pairs = [(error, found)]
    while pairs:
        error, written = pairs.pop()
        count = _callers(error.__traceback__)
        if count < len(written.stack):
            del written.stack[:count]
        pairs += _around(error, written)
    return "".join(found.format())


_Pair = tuple[BaseException, traceback.TracebackException]


def _around(error: BaseException, written: traceback.TracebackException) -> list[_Pair]:
    """Return the cause, the context and the members of an error, each with its traceback."""
    near = [(error.__cause__, written.__cause__), (error.__context__, written.__context__)]
    if isinstance(error, BaseExceptionGroup):
        members = cast("BaseExceptionGroup[BaseException]", error).exceptions
        near += zip(members, written.exceptions or (), strict=False)
    return [(one, text) for one, text in near if one is not None and text is not None]


def _callers(trace: TracebackType | None) -> int:
    """Return the number of frames before the first one of the user."""
    count = 0
    while trace is not None:
        name = trace.tb_frame.f_globals.get("__name__")
        if not isinstance(name, str) or name.partition(".")[0] not in _CALLERS:
            break
        count, trace = count + 1, trace.tb_next
    return count


LONGEST_ERROR = 8_192
"""The largest number of characters that is stored of one error."""

_LONGEST_NUMBER = 40
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def error_text(error: BaseException, limit: int = LONGEST_ERROR, *, hint: str = "") -> str:
    """Return type, message and traceback of `error`, with its causes and its group.

    The first line has the type and the message, the next one the hint, if any. This function
    never raises, not even if the methods of the error do.
    """
    try:
        summary = _summary(error)
    except BaseException:  # noqa: BLE001 - the class of the error may override anything
        summary = "an error without a text"
    try:
        trace = traceback_text(error)
    except BaseException as raised:  # noqa: BLE001 - a user's method may raise anything
        trace = f"<no traceback: formatting it raised {_type_name(raised)}>"
    head = f"{summary}\n{hint}" if hint else summary
    return clean_text(f"{head}\n\n{trace}".rstrip(), limit)


_MOST_NAMES = 10


def known_text(kind: str, name: str, known: Sequence[str]) -> str:
    """Return the known names for an error about an unknown one, with the most similar name."""
    if not known:
        return f"there are no {kind}"
    near = get_close_matches(name, known, n=1)
    hint = f", did you mean {near[0]!r}?" if near else ""
    shown = ", ".join(repr(one) for one in known[:_MOST_NAMES])
    more = ", ..." if len(known) > _MOST_NAMES else ""
    return f"known {kind}: {shown}{more}{hint}"


def clean_text(text: str, limit: int) -> str:
    """Return at most `limit` characters of `text`, without those that a database refuses."""
    return _UNSTORABLE.sub("\ufffd", _cut(text, limit))


def number_text(number: object) -> str:
    """Return a number as text for an error, cut if it is huge."""
    return value_text(number, _LONGEST_NUMBER)


def value_text(value: object, longest: int = 100) -> str:
    """Return the `repr` of a value for an error, cut to `longest` characters."""
    try:
        text = repr(value)
    except ValueError:  # Python refuses to write an int of more than 4,300 digits
        return f"a huge {type(value).__name__}"
    return text if len(text) <= longest else f"{text[:longest]}..."


def _summary(error: BaseException) -> str:
    try:
        message = str(error)
    except BaseException as raised:  # noqa: BLE001 - a user's method may raise anything
        message = f"<no message: __str__ raised {_type_name(raised)}>"
    return f"{_type_name(error)}: {message}" if message else _type_name(error)


def _type_name(error: BaseException) -> str:
    try:
        return f"{type(error).__qualname__}"
    except BaseException:  # noqa: BLE001 - a metaclass may raise anything
        return "an error without a name"


def _cut(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    # The mark for the real count is not longer than the mark for the whole length.
    room = limit - len(_mark(len(text)))
    if room < 0:
        return text[:limit]
    head = room - room // 2
    tail = room // 2
    return text[:head] + _mark(len(text) - room) + text[len(text) - tail :]


def _mark(count: int) -> str:
    return f"\n... {count:,} characters cut ...\n"


_UNSEEN = (
    "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U000e0100-\U000e01ef"
)
"""Characters that `str.isprintable` accepts, although they have no visible form."""
_HAS_UNSEEN = re.compile(f"[{_UNSEEN}]")
_MAY_BE_HIDDEN = re.compile("[^ -~]")
_LARGEST_OF_ONE_UNIT = 0xFFFF


def is_visible(text: str) -> bool:
    """Whether a reader sees each character of `text`, in the order in which it is stored."""
    return text.isprintable() and (text.isascii() or not _HAS_UNSEEN.search(text))


def visible(text: str) -> str:
    r"""Return `text` as one line, with invisible characters escaped, as ``\x1b`` or ``\u202e``.

    These are control characters, ends of lines, blanks other than the space, marks of
    direction, characters without width or meaning, and lone surrogates.
    """
    return text if is_visible(text) else _MAY_BE_HIDDEN.sub(_escape, text)


def visible_lines(text: str) -> str:
    r"""Return `text` like `visible`, but keep its ends of lines, each as ``\n``."""
    return "\n".join(map(visible, text.replace("\r\n", "\n").split("\n")))


def visible_json(document: str) -> str:
    r"""Return JSON text of the same value, with invisible characters as ``\u202e``."""
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


def check_storable(what: str, text: object) -> str:
    """Return `text` if every database can store it; the errors do not quote it."""
    if not isinstance(text, str):
        raise TypeError(f"{what}: expected str, found {type(text).__name__}")
    if "\0" in text or not (text.isascii() or is_utf8(text)):
        raise ValueError(f"{what}: expected text without NUL and lone surrogates, found one")
    return text


def is_utf8(text: str) -> bool:
    """Whether `text` can be encoded as UTF-8, so that it has no lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
