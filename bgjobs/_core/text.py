"""Texts that go into the database whatever they came from: the failure path cannot fail."""

import re
import traceback
from types import TracebackType
from typing import cast

_CALLERS = frozenset(
    ("bgjobs", "anyio", "trio", "outcome", "asyncio", "concurrent", "threading")
)
"""Top packages whose frames stand between an event loop and a handler."""


def traceback_text(error: BaseException) -> str:
    """Return the traceback of `error`, its causes and its group, as Python writes it.

    Each begins with the first frame that is neither of bgjobs nor of what runs an event loop;
    one that has no other frames is left whole. May raise whatever the error's methods raise.
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
    """Return the cause, the context and the group of an error, each with what is written."""
    near = [(error.__cause__, written.__cause__), (error.__context__, written.__context__)]
    if isinstance(error, BaseExceptionGroup):
        members = cast("BaseExceptionGroup[BaseException]", error).exceptions
        near += zip(members, written.exceptions or (), strict=False)
    return [(one, text) for one, text in near if one is not None and text is not None]


def _callers(trace: TracebackType | None) -> int:
    """Count the frames in front of the first one that is the user's."""
    count = 0
    while trace is not None:
        name = trace.tb_frame.f_globals.get("__name__")
        if not isinstance(name, str) or name.partition(".")[0] not in _CALLERS:
            break
        count, trace = count + 1, trace.tb_next
    return count


LONGEST_ERROR = 8_192
"""Characters that are kept of one error."""

_LONGEST_NUMBER = 40
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def error_text(error: BaseException, limit: int = LONGEST_ERROR, *, hint: str = "") -> str:
    """Write type, message and traceback of `error`, with its causes and its group.

    The first line says what happened, a hint follows, and tracebacks begin in the user's code.
    It never raises, whatever the error's own methods do.
    """
    try:
        summary = _summary(error)
    except BaseException:  # noqa: BLE001 - a user's class may even spoil its text and its name
        summary = "an error without a text"
    try:
        trace = traceback_text(error)
    except BaseException as fault:  # noqa: BLE001 - a user's method may raise anything
        trace = f"<no traceback: formatting it raised {_type_name(fault)}>"
    head = f"{summary}\n{hint}" if hint else summary
    return clean_text(f"{head}\n\n{trace}".rstrip(), limit)


def clean_text(text: str, limit: int) -> str:
    """Give at most `limit` characters of `text` that both databases can store."""
    return _UNSTORABLE.sub("\ufffd", _cut(text, limit))


def number_text(number: object) -> str:
    """Return a number as text, to be shown in an error; a huge one is cut."""
    return value_text(number, _LONGEST_NUMBER)


def value_text(value: object, longest: int = 100) -> str:
    """Return what was found as text, to be shown in an error, and cut to a line."""
    try:
        text = repr(value)
    except ValueError:  # Python writes no whole number of more than 4,300 digits
        return f"a huge {type(value).__name__}"
    return text if len(text) <= longest else f"{text[:longest]}..."


def _summary(error: BaseException) -> str:
    try:
        message = str(error)
    except BaseException as fault:  # noqa: BLE001 - a user's method may raise anything
        message = f"<no message: __str__ raised {_type_name(fault)}>"
    return f"{_type_name(error)}: {message}" if message else _type_name(error)


def _type_name(error: BaseException) -> str:
    try:
        return f"{type(error).__qualname__}"
    except BaseException:  # noqa: BLE001 - a metaclass may raise anything
        return "an error without a name"


def _cut(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    # The count in the mark is as long as the text's own length at most.
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


def check_storable(what: str, text: object) -> str:
    """Expect a text that every database stores; it is not shown, as it may be a payload."""
    if not isinstance(text, str):
        raise TypeError(f"{what}: expected str, found {type(text).__name__}")
    if "\0" in text or not (text.isascii() or is_utf8(text)):
        raise ValueError(f"{what}: expected text without NUL and lone surrogates, found one")
    return text


def is_utf8(text: str) -> bool:
    """Whether a text can be encoded: it has no lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
