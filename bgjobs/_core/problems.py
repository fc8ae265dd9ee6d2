"""What is wrong with a value, as texts for an error; no text if nothing is."""

from collections.abc import Iterator

from bgjobs._core.jobs import LARGEST_WHOLE
from bgjobs._core.lazy import kind_if_not_plain
from bgjobs._core.text import number_text
from bgjobs.backoff import Custom, is_policy


def whole_problems(
    what: str, value: object, *, least: int, most: int = LARGEST_WHOLE
) -> Iterator[str]:
    """Expect a whole number between two bounds."""
    if not isinstance(value, int) or isinstance(value, bool):
        yield f"{what}: expected int, found {type(value).__name__}"
    elif not least <= value <= most:
        is_open = most == LARGEST_WHOLE and value < least
        limits = f"{least} or more" if is_open else f"{least} to {most}"
        yield f"{what}: expected {limits}, found {number_text(value)}"


def plain_problems(what: str, value: object) -> Iterator[str]:
    """Expect a plain function, not an async one."""
    if not callable(value):
        yield f"{what}: expected a function, found {type(value).__name__}"
    elif found := kind_if_not_plain(value):
        yield f"{what}: expected a plain function, found {found}"


def backoff_problems(what: str, value: object) -> Iterator[str]:
    """Expect a backoff policy or a plain function."""
    if isinstance(value, Custom):
        yield from plain_problems(what, value.function)
    elif is_policy(value) and not isinstance(value, type):
        yield from plain_problems(f"{what}.delay", value.delay)
    else:
        expected = "expected a policy of bgjobs.backoff or a function"
        yield f"{what}: {expected}, found {type(value).__name__}"
