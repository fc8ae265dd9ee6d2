"""Tells of a program that runs itself when it is imported as an application."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from bgjobs.cli.output import terminal as screen


@contextmanager
def told(module: str) -> Generator[None]:
    """Write a line to stderr as soon as an event loop is run while this module is imported."""
    import asyncio  # noqa: PLC0415 - the help needs no event loop

    import trio  # noqa: PLC0415 - as above

    # What begins to run an event loop, through whatever it was asked for.
    places: tuple[tuple[Any, str], ...] = (
        (trio, "run"),
        (asyncio.BaseEventLoop, "run_forever"),
    )
    are_told = False

    def tell() -> None:
        nonlocal are_told
        if not are_told:
            screen.note(
                f"bgjobs: importing {module!r} runs an event loop, with each command again: "
                'put that below if __name__ == "__main__":'
            )
        are_told = True

    kept = [(owner, name, getattr(owner, name)) for owner, name in places]
    for owner, name, begin in kept:
        setattr(owner, name, _telling(begin, tell))
    try:
        yield
    finally:
        are_told = True  # also where the module has kept what it was given
        for owner, name, begin in kept:
            setattr(owner, name, begin)


def _telling(begin: Callable[..., object], tell: Callable[[], None]) -> Callable[..., object]:
    @wraps(begin)
    def begun(*args: Any, **kwargs: Any) -> object:
        tell()
        return begin(*args, **kwargs)

    return begun
