"""The logs of libraries, kept from a terminal on which something is drawn."""

import logging
from collections.abc import Generator
from contextlib import contextmanager

_LIBRARIES = ("bgjobs", "psycopg")
_NOWHERE = logging.NullHandler()


def without_last_resort() -> None:
    """Keep Python from writing what libraries log where the application set up no logging."""
    for name in _LIBRARIES:
        logging.getLogger(name).addHandler(_NOWHERE)


@contextmanager
def quieted() -> Generator[None]:
    """Keep what libraries log from all handlers; they try again, and log it, all the time."""
    kept = [(one, one.handlers, one.propagate) for one in _loggers()]
    for logger, _, _ in kept:
        is_top = logger.name in _LIBRARIES
        logger.handlers, logger.propagate = [_NOWHERE] if is_top else [], not is_top
    try:
        yield
    finally:
        for logger, handlers, propagate in kept:
            logger.handlers, logger.propagate = handlers, propagate


def _loggers() -> list[logging.Logger]:
    tops = [logging.getLogger(name) for name in _LIBRARIES]
    below = tuple(f"{name}." for name in _LIBRARIES)
    known = [*logging.Logger.manager.loggerDict.items()]
    return tops + [
        one for name, one in known if name.startswith(below) and isinstance(one, logging.Logger)
    ]
