"""Payloads as JSON text that PostgreSQL and SQLite both store unchanged."""

import json
import re
from collections.abc import Callable, Collection, Iterator
from typing import Any, NoReturn

from bgjobs._core.payloads.shapes import (
    MAX_KEY_LENGTH,
    MAX_PROBLEMS,
    Mismatch,
    RedactedDict,
    RedactedList,
    key_step,
    value_mismatch,
)
from bgjobs._core.requests import LARGEST_PAYLOAD

MAX_DEPTH = 64
"""Levels of arrays and objects in one payload, including the outermost object."""

_ALWAYS_WRITABLE = 2_000
"""Bits of an int that Python writes under any `sys.set_int_max_str_digits`."""
_TOO_LONG = "found an int of too many digits"
_SURROGATE = re.compile("[\ud800-\udfff]")


def _no_constant(name: str) -> NoReturn:
    raise value_mismatch(f"expected JSON, found {name}")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)


def dump(value: dict[str, Any]) -> str:
    """Return `value` as JSON text.

    Raises:
        Mismatch: A database would refuse the text, or it is too large or too deep.
    """
    try:
        text = text_of(value)
    except Mismatch:
        _check_tree(value)
        raise
    if len(text) > LARGEST_PAYLOAD or not text.isascii():
        _check_size(text, value)
    if "\\u0000" in text or (len(text) > MAX_DEPTH and _brackets(text) > MAX_DEPTH):
        _check_tree(value)
    return text


def _encoder() -> Callable[[Any], str]:
    """Return a function that does what `json.JSONEncoder.encode` does.

    `encode` makes an encoder in C for each call, which takes longer than its work. The class of
    these is a detail of Python, so `encode` is used where it is missing or differs.
    """
    settings = json.JSONEncoder(
        ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":")
    )
    make: Any = getattr(json.encoder, "c_make_encoder", None)
    try:
        in_c = make(
            None,  # no check of cycles
            settings.default,
            json.encoder.encode_basestring,
            None,  # no indentation
            settings.key_separator,
            settings.item_separator,
            settings.sort_keys,
            settings.skipkeys,
            settings.allow_nan,
        )
    except TypeError:
        return settings.encode
    return lambda value: "".join(in_c(value, 0))


# check_circular costs a dict entry for each container, and the depth is limited anyway.
_ENCODE = _encoder()


def text_of(value: Any) -> str:
    """Return a part of a payload as JSON text that is not checked yet."""
    try:
        return _ENCODE(value)
    except ValueError:
        # The shapes exclude other causes; by default Python writes at most 4,300 digits.
        raise value_mismatch(_TOO_LONG) from None


def load(text: str, known: Collection[str] = ()) -> Any:
    """Return the value of JSON text from a row, which may be hostile.

    Errors quote no keys except those in `known`, the names of arguments.

    Raises:
        Mismatch: The text is no JSON that `dump` can return.
    """
    if len(text) > LARGEST_PAYLOAD or not text.isascii():
        _check_size(text, None)
    try:
        value = _parse(text)
    except RecursionError:
        raise _too_deep("") from None
    except ValueError:
        raise value_mismatch("expected JSON, found other text") from None
    if "\\u" in text or (len(text) > MAX_DEPTH and _brackets(text) > MAX_DEPTH):
        # The redacted fields are not known here, so the contents of all arguments are redacted.
        _check_tree(value, known)
    return value


def _parse(text: str) -> Any:
    if text.startswith("{") and text.endswith("}"):
        # The form that `dump` writes; `decode` takes twice as long to search for blanks.
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
            raise value_mismatch("found a lone surrogate") from None
    if size > LARGEST_PAYLOAD:
        most = f"{LARGEST_PAYLOAD:,}"
        raise value_mismatch(f"expected at most {most} bytes of JSON, found {size:,}")


def _too_deep(path: str) -> Mismatch:
    return Mismatch([(path, f"nested deeper than {MAX_DEPTH} levels")])


def _check_tree(value: Any, known: Collection[str] | None = None) -> None:
    """Raise `Mismatch` for what no database stores; it quotes all keys if `known` is None."""
    problems = dict.fromkeys(_tree_problems(value, known))
    if problems:
        raise Mismatch(problems)


def _tree_problems(value: Any, known: Collection[str] | None) -> Iterator[tuple[str, str]]:
    # No recursion: the value may be nested deeper than Python's recursion limit.
    waiting: list[tuple[str, int, Any, bool]] = [("", 0, value, False)]
    found = 0
    while waiting and found < MAX_PROBLEMS:
        path, depth, one, is_redacted = waiting.pop()
        problem = _problem(one)
        if problem:
            found += 1
            yield path, problem
        elif depth == MAX_DEPTH and isinstance(one, dict | list):
            raise _too_deep(_shortened(path))
        else:
            is_redacted |= isinstance(one, RedactedDict | RedactedList)
            is_redacted |= known is not None and depth > 0
            waiting += (
                (
                    path if is_redacted or not _may_show(step, known) else step,
                    depth + 1,
                    child,
                    is_redacted,
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
    if not str(key).isidentifier() or len(key) > MAX_KEY_LENGTH:
        return path + key_step(key)
    return f"{path}.{key}" if path else str(key)


def _problem(value: Any) -> str | None:
    if isinstance(value, str):
        return _text_problem(value)
    if isinstance(value, int) and value.bit_length() > _ALWAYS_WRITABLE:
        try:
            str(value)
        except ValueError:
            return _TOO_LONG
    return None


def _text_problem(text: Any) -> str | None:
    if "\0" in text:
        return "found a NUL character, which a database cannot store"
    if _SURROGATE.search(text):
        return "found a lone surrogate, which UTF-8 cannot encode"
    return None


def _shortened(path: str) -> str:
    return path if len(path) <= MAX_DEPTH else f"{path[:MAX_DEPTH]}..."
