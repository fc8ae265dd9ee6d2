"""The one gate in front of both databases: JSON text that each of them stores as it is."""

import json
import re
from collections.abc import Collection, Iterator
from typing import Any, NoReturn

from bgjobs.jobs import LARGEST_PAYLOAD
from bgjobs.payloads.shapes import (
    LONGEST_KEY,
    SHOWN,
    HiddenDict,
    HiddenList,
    Mismatch,
    key_step,
    refused,
)

DEEPEST = 64
"""Levels of arrays and objects in one payload, the outermost included."""

_LONG = 2_000
"""Bits of an int that Python writes, whatever it was told."""
_TOO_LONG = "found an int of too many digits"
_SURROGATE = re.compile("[\ud800-\udfff]")
# check_circular would cost a dict entry for each container; the depth is bounded anyway.
_ENCODER = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":")
)


def _no_constant(name: str) -> NoReturn:
    raise refused(f"expected JSON, found {name}")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)


def dump(value: dict[str, Any]) -> str:
    """Write `value` as JSON text; `Mismatch` for what a database would refuse."""
    try:
        text = text_of(value)
    except Mismatch:
        _check_tree(value)
        raise
    _check_size(text, value)
    if "\\u0000" in text or _brackets(text) > DEEPEST:
        _check_tree(value)
    return text


def text_of(value: Any) -> str:
    """Write a part of a payload, not yet checked: something to compare it by."""
    try:
        return _ENCODER.encode(value)
    except ValueError:
        # All else was refused by the shapes; Python writes 4,300 digits unless told otherwise.
        raise refused(_TOO_LONG) from None


def load(text: str, known: Collection[str] = ()) -> Any:
    """Read JSON text of a row, however hostile; `Mismatch` for what `dump` never wrote.

    Of its keys only the `known` ones, those of arguments, are in the text of an error.
    """
    if len(text) > LARGEST_PAYLOAD or not text.isascii():
        _check_size(text, None)
    try:
        value = _decoded(text)
    except RecursionError:
        raise _too_deep("") from None
    except ValueError:
        raise refused("expected JSON, found other text") from None
    if "\\u" in text or (len(text) > DEEPEST and _brackets(text) > DEEPEST):
        # Which fields are hidden is not known here, so all that the arguments hold is.
        _check_tree(value, known)
    return value


def _decoded(text: str) -> Any:
    if text.startswith("{") and text.endswith("}"):
        # As `dump` writes it; `decode` would look for blanks around it, twice as long.
        value, end = _DECODER.raw_decode(text)
        if end == len(text):
            return value
    return _DECODER.decode(text)


def _brackets(text: str) -> int:
    return text.count("[") + text.count("{")


def _check_size(text: str, value: Any) -> None:
    size = len(text)
    if not text.isascii():
        try:
            size = len(text.encode())
        except UnicodeEncodeError:
            _check_tree(value)
            raise refused("found a lone surrogate") from None
    if size > LARGEST_PAYLOAD:
        most = f"{LARGEST_PAYLOAD:,}"
        raise refused(f"arguments: expected at most {most} bytes of JSON, found {size:,}")


def _too_deep(path: str) -> Mismatch:
    return Mismatch([(path, f"nested deeper than {DEEPEST} levels")])


def _check_tree(value: Any, known: Collection[str] | None = None) -> None:
    """Raise `Mismatch` for what no database stores; None lets all keys be shown."""
    problems = dict.fromkeys(_tree_problems(value, known))
    if problems:
        raise Mismatch(problems)


def _tree_problems(value: Any, known: Collection[str] | None) -> Iterator[tuple[str, str]]:
    # A stack of its own, for the value may be nested deeper than Python can call.
    waiting: list[tuple[str, int, Any, bool]] = [("", 0, value, False)]
    found = 0
    while waiting and found < SHOWN:
        path, depth, one, is_hidden = waiting.pop()
        problem = _problem(one)
        if problem:
            found += 1
            yield path, problem
        elif depth == DEEPEST and isinstance(one, dict | list):
            raise _too_deep(_shortened(path))
        else:
            is_hidden |= isinstance(one, HiddenDict | HiddenList)
            is_hidden |= known is not None and depth > 0
            waiting += (
                (
                    path if is_hidden or not _may_show(step, known) else step,
                    depth + 1,
                    child,
                    is_hidden,
                )
                for step, child in _children(path, one)
            )


def _may_show(step: str, known: Collection[str] | None) -> bool:
    return known is None or step in known


def _children(path: str, value: Any) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    if isinstance(value, dict):
        entries: dict[Any, Any] = value  # pyright: ignore[reportUnknownVariableType] - any JSON
        for key, item in entries.items():
            found.append((_step(path, key), item))
            if _text_problem(key):
                found.append((f"{path} keys".strip(), key))
    elif isinstance(value, list):
        items: list[Any] = value  # pyright: ignore[reportUnknownVariableType] - any JSON
        found = [(f"{path}[{index}]", item) for index, item in enumerate(items)]
    return found[::-1]


def _step(path: str, key: Any) -> str:
    if not str(key).isidentifier() or len(key) > LONGEST_KEY:
        return path + key_step(key)
    return f"{path}.{key}" if path else str(key)


def _problem(value: Any) -> str | None:
    if isinstance(value, str):
        return _text_problem(value)
    if isinstance(value, int) and value.bit_length() > _LONG:
        try:
            str(value)
        except ValueError:
            return _TOO_LONG
    return None


def _text_problem(text: Any) -> str | None:
    if "\0" in text:
        return "found a NUL character, which a database cannot store"
    if _SURROGATE.search(text):
        return "found a lone surrogate, which UTF-8 cannot carry"
    return None


def _shortened(path: str) -> str:
    return path if len(path) <= DEEPEST else f"{path[:DEEPEST]}..."
