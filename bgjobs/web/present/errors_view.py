"""Errors of attempts: what was raised first, and the traceback folded below it.

The text is what `bgjobs` stores of an error, or any other text: type, message and hint, a blank
line, and a traceback in Python's format, which may be that of a group.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import TypeAlias, final

from attrs import frozen
from markupsafe import Markup

from bgjobs.web.present import text as texts

LONGEST_TEXT = 20_000
"""Characters of a text that are shown; bgjobs stores at most 8,192."""
MOST_FRAMES = 200
"""Frames that are shown as such; what follows them is shown as text."""
LONGEST_HEADLINE = 300
LONGEST_PATH = 200
_LONGEST_FUNCTION = 100
_DEEPEST = 5
"""Groups within groups beyond this depth are not indented further."""

_BLANKS = " \r\n"
"""What is not shown around a text; other blanks are shown as invisible characters."""
_TRACE = re.compile(r"^[ ]{0,80}(?:\+ Exception Group )?Traceback \(most recent", re.MULTILINE)
_FRAME = re.compile(
    r"(?P<margin>[ |]*)  File \"(?P<path>[^\"]*)\", line (?P<line>[0-9]+)"
    r"(?:, in (?P<function>.*))?"
)
_LIBRARY = re.compile(
    r"(?:^|[\\/])(?:site-packages|dist-packages|lib[\\/]python[0-9.]+|bgjobs)[\\/]|^<frozen "
)


@final
@frozen
class TraceFrame:
    """One frame of a traceback."""

    path: str
    line: str
    function: str
    code: str
    """The lines below it: the code, and marks that point into it."""
    depth: int
    """How many groups it is in."""

    @property
    def is_library(self) -> bool:
        """Whether the frame is in installed code rather than in that of the application."""
        return _LIBRARY.search(self.path) is not None


TracePart: TypeAlias = TraceFrame | str
"""A frame, or the lines between two frames."""


@final
@frozen
class ErrorText:
    """The text of an error in its parts."""

    headline: str
    message: str
    """The further lines of the message and the hint."""
    trace: Sequence[TracePart]
    cut: int
    """How many characters are left out at the end."""


def headline(error: str) -> str:
    """Return the first line of an error, which has its type and its message."""
    return error.lstrip(_BLANKS).partition("\n")[0].rstrip(_BLANKS)


def error_parts(error: str) -> ErrorText:
    """Return what the text of an error consists of."""
    shown = error[:LONGEST_TEXT].replace("\r\n", "\n").strip(_BLANKS)
    start = _TRACE.search(shown)
    head = shown if start is None else shown[: start.start()]
    first, _, message = head.partition("\n")
    trace = () if start is None else tuple(_trace(shown[start.start() :].split("\n")))
    return ErrorText(
        first.rstrip(_BLANKS), message.strip(_BLANKS), trace, max(0, len(error) - LONGEST_TEXT)
    )


def error(text: str) -> Markup:
    """Return an error as markup: its first lines, and its traceback folded."""
    found = error_parts(text)
    message = texts.passage(found.message) if found.message else Markup("")
    return _ERROR.format(
        texts.name(found.headline, LONGEST_HEADLINE),
        message,
        _folded(found.trace) if found.trace else "",
        texts.left_out(found.cut),
    )


_ERROR = Markup('<div class="error"><p class="error-headline">{}</p>{}{}{}</div>')
_TRACE_FOLD = Markup('<details class="trace"><summary>{}</summary>{}</details>')
_LIBRARY_FOLD = Markup('<details class="trace-library"><summary>{}</summary>{}</details>')
_NOTE = Markup('<pre class="trace-note"><bdi>{}</bdi></pre>')
_PLACE = Markup(
    '<div class="trace-frame depth-{}"><p><span class="trace-path">{}</span>, line '
    '{}, in <span class="trace-function">{}</span></p>{}</div>'
)
_CODE = Markup('<pre class="trace-code"><bdi>{}</bdi></pre>')


def _trace(lines: Iterable[str]) -> Iterator[TracePart]:
    """Yield frames with the lines that belong to them, and the other lines together."""
    frame, below = None, list[str]()
    count = 0
    for line in lines:
        found = _FRAME.fullmatch(line) if count < MOST_FRAMES else None
        if found is None and (frame is None or _belongs(line, frame)):
            below.append(line)
            continue
        yield from _part(frame, below)
        frame, below = found, [line] if found is None else []
        count += found is not None
    yield from _part(frame, below)


def _belongs(line: str, frame: re.Match[str]) -> bool:
    """Whether a line is indented further than the frame above it."""
    return line.startswith(f"{frame['margin']}    ")


def _part(frame: re.Match[str] | None, below: Sequence[str]) -> Iterator[TracePart]:
    if frame is not None:
        margin = len(frame["margin"]) + 4
        code = "\n".join(line[margin:] for line in below)
        depth = min(len(frame["margin"]) // 2, _DEEPEST + 1) - 1
        function = frame["function"] or ""
        yield TraceFrame(frame["path"], frame["line"], function, code, max(0, depth))
    elif any(below):
        yield "\n".join(below)


def _folded(trace: Sequence[TracePart]) -> Markup:
    frames = [part for part in trace if isinstance(part, TraceFrame)]
    libraries = sum(frame.is_library for frame in frames)
    summary = texts.plural(len(frames), "frame")
    if libraries:
        summary += f", {libraries:,} of libraries"
    runs = groupby(trace, lambda part: isinstance(part, TraceFrame) and part.is_library)
    parts = [_run([*run], is_library=is_library) for is_library, run in runs]
    return _TRACE_FOLD.format(summary, Markup("").join(parts))


def _run(run: Sequence[TracePart], *, is_library: bool) -> Markup:
    """Return parts that follow each other; frames of libraries are folded together."""
    drawn = Markup("").join(map(_drawn, run))
    if not is_library:
        return drawn
    return _LIBRARY_FOLD.format(f"{texts.plural(len(run), 'frame')} of libraries", drawn)


def _drawn(part: TracePart) -> Markup:
    if isinstance(part, str):
        return _NOTE.format(texts.lines(part))
    return _PLACE.format(
        part.depth,
        texts.name(part.path, LONGEST_PATH),
        texts.label(part.line, 12),
        texts.name(part.function, _LONGEST_FUNCTION) if part.function else "?",
        _CODE.format(texts.lines(part.code)) if part.code else "",
    )
