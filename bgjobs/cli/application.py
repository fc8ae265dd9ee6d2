"""`--app module:name`: import the configuration that the commands work on."""

import inspect
import sys
import traceback
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from functools import wraps
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import bgjobs
from bgjobs.cli.errors import CommandError, summary
from bgjobs.cli.output import terminal
from bgjobs.errors import ConfigError


def load_config(reference: str) -> bgjobs.Config:
    """Import the configuration at `module:name`, or call the function there that returns it.

    Raises:
        CommandError: If there is no configuration.
        ConfigError: If the configuration is invalid.
    """
    with _errors_of("app"):
        found = _load(reference, "config", bgjobs.Config)
        return _as_config(reference, found)


def load_auth(reference: str) -> Any:
    """Import what `bgjobs.web.app` takes as `auth`, which it checks.

    Raises:
        CommandError: If there is nothing of this name.
    """
    from bgjobs.web import BasicAuth  # noqa: PLC0415 - only one command needs it

    with _errors_of("--auth"):
        return _load(reference, "auth", BasicAuth)


@contextmanager
def _errors_of(option: str) -> Generator[None]:
    try:
        yield
    except CommandError as error:
        raise CommandError(f"{option}: {error.message}", error.code) from error.__cause__


def _load(reference: str, usual_name: str, kind: type) -> object:
    module, _, name = reference.partition(":")
    if module.endswith(".py") or "/" in module:
        guess = module.removesuffix(".py").strip("./").replace("/", ".")
        raise CommandError(
            f"expected a module, found a file; write {guess}:{name or usual_name}"
        )
    if not module or not name:
        example = f"module:name, such as shop.jobs:{usual_name}"
        raise CommandError(f"expected {example}, found {reference!r}")
    return _attribute(_import(module), name, kind)


def _import(name: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        with _event_loops_noted(name):
            return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            raise CommandError(_no_module(name, error.name)) from error
        raise CommandError(_import_failed(name, error)) from error
    except ConfigError:
        raise  # its text needs no explanation
    except (Exception, SystemExit) as error:
        raise CommandError(_import_failed(name, error)) from error


def _no_module(name: str, missing: str) -> str:
    near = get_close_matches(name, _modules_here(), n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    part = "" if name == missing else f" (no {missing!r})"
    return f"no module {name!r}{part} in this folder or installed{hint}"


def _modules_here() -> Iterator[str]:
    for path in Path.cwd().iterdir():
        if path.suffix == ".py":
            yield path.stem
        elif (path / "__init__.py").exists():
            yield path.name


def _import_failed(name: str, error: BaseException) -> str:
    return f"importing {name!r} failed{_place(error)}: {summary(error)}"


def _place(error: BaseException) -> str:
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename != __file__ and "importlib" not in frame.filename
    ]
    if not frames:
        return ""
    file = Path(frames[-1].filename)
    shown = file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file
    return f" at {shown}:{frames[-1].lineno}"


def _attribute(module: ModuleType, path: str, kind: type) -> object:
    found: object = module
    for name in path.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            raise CommandError(_no_attribute(module.__name__, found, name, kind)) from None
        except (Exception, SystemExit) as error:  # from a module's `__getattr__` or a property
            where = f"{module.__name__}:{path}{_place(error)}"
            raise CommandError(f"{where} failed: {summary(error)}") from error
    return found


def _no_attribute(module: str, holder: object, name: str, kind: type) -> str:
    names = [one for one in dir(holder) if not one.startswith("_")]
    fitting = [one for one in names if isinstance(getattr(holder, one), kind)]
    near = fitting if len(fitting) == 1 else get_close_matches(name, names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"module {module!r} has no {name!r}{hint}"


def _as_config(reference: str, found: object) -> bgjobs.Config:
    if isinstance(found, bgjobs.Config):
        return found
    if not callable(found) or isinstance(found, bgjobs.Worker):
        raise CommandError(_no_config(reference, found))
    made = _call(reference, cast("Callable[[], object]", found))
    if not isinstance(made, bgjobs.Config):
        raise CommandError(_no_config(f"{reference}()", made))
    return made


def _call(reference: str, function: Callable[[], object]) -> object:
    if inspect.iscoroutinefunction(function):
        raise CommandError(f"{reference} is async; expected a function that returns a Config")
    try:
        return function()
    except ConfigError:
        raise  # its text needs no explanation
    except (Exception, SystemExit) as error:
        raise CommandError(f"{reference}() failed{_place(error)}: {summary(error)}") from error


def _no_config(reference: str, found: Any) -> str:
    return (
        f"expected a bgjobs.Config, or a function that returns one, "
        f"found {type(found).__name__} at {reference}"
    )


@contextmanager
def _event_loops_noted(module: str) -> Generator[None]:
    """Write a note to stderr if the module runs an event loop while it is imported."""
    import asyncio  # noqa: PLC0415 - the help needs no event loop

    import trio  # noqa: PLC0415 - as above

    # Every way to run an event loop calls one of these.
    entries: tuple[tuple[Any, str], ...] = (
        (trio, "run"),
        (asyncio.BaseEventLoop, "run_forever"),
    )
    is_done = False

    def note() -> None:
        nonlocal is_done
        if not is_done:
            terminal.note(
                f"bgjobs: importing {module!r} runs an event loop, and every command imports "
                'it: move that code below if __name__ == "__main__":'
            )
        is_done = True

    kept = [(owner, name, getattr(owner, name)) for owner, name in entries]
    for owner, name, original in kept:
        setattr(owner, name, _calling_first(note, original))
    try:
        yield
    finally:
        is_done = True  # the module may have kept a reference to a replaced function
        for owner, name, original in kept:
            setattr(owner, name, original)


def _calling_first(
    note: Callable[[], None], original: Callable[..., object]
) -> Callable[..., object]:
    @wraps(original)
    def replacement(*args: Any, **kwargs: Any) -> object:
        note()
        return original(*args, **kwargs)

    return replacement
