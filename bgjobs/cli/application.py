"""`--app module:name`: the configuration that a command works on."""

import inspect
import sys
import traceback
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import bgjobs
from bgjobs.cli import loops
from bgjobs.cli.errors import Fault, summary
from bgjobs.errors import ConfigError

_EXAMPLE = "module:name, such as shop.jobs:config"


def load_config(reference: str) -> bgjobs.Config:
    """Import the configuration that `module:name` names, or that a function of it gives."""
    module, _, name = reference.partition(":")
    if module.endswith(".py") or "/" in module:
        guess = module.removesuffix(".py").strip("./").replace("/", ".")
        raise Fault(f"app: expected a module, found a file; say {guess}:{name or 'config'}")
    if not module or not name:
        raise Fault(f"app: expected {_EXAMPLE}, found {reference!r}")
    return _as_config(reference, _attribute(_imported(module), name))


def _imported(name: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        with loops.told(name):
            return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            raise Fault(_no_module(name, error.name)) from error
        raise Fault(_broken(name, error)) from error
    except ConfigError:
        raise  # it says all by itself
    except (Exception, SystemExit) as error:
        raise Fault(_broken(name, error)) from error


def _no_module(name: str, missing: str) -> str:
    near = get_close_matches(name, _modules_here(), n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    part = "" if name == missing else f" (no {missing!r})"
    return f"app: no module {name!r}{part} in this folder or installed{hint}"


def _modules_here() -> Iterator[str]:
    for path in Path.cwd().iterdir():
        if path.suffix == ".py":
            yield path.stem
        elif (path / "__init__.py").exists():
            yield path.name


def _broken(name: str, error: BaseException) -> str:
    return f"app: importing {name!r} failed{_place(error)}: {summary(error)}"


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


def _attribute(module: ModuleType, path: str) -> object:
    found: object = module
    for name in path.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            raise Fault(_no_attribute(module.__name__, found, name)) from None
        except (
            Exception,
            SystemExit,
        ) as error:  # of a module or class that makes it when asked
            where = f"{module.__name__}:{path}{_place(error)}"
            raise Fault(f"app: {where} failed: {summary(error)}") from error
    return found


def _no_attribute(module: str, holder: object, name: str) -> str:
    names = [one for one in dir(holder) if not one.startswith("_")]
    configs = [one for one in names if isinstance(getattr(holder, one), bgjobs.Config)]
    near = configs if len(configs) == 1 else get_close_matches(name, names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"app: module {module!r} has no {name!r}{hint}"


def _as_config(reference: str, found: object) -> bgjobs.Config:
    if isinstance(found, bgjobs.Config):
        return found
    if not callable(found) or isinstance(found, bgjobs.Worker):
        raise Fault(_no_config(reference, found))
    made = _called(reference, cast("Callable[[], object]", found))
    if not isinstance(made, bgjobs.Config):
        raise Fault(_no_config(f"{reference}()", made))
    return made


def _called(reference: str, function: Callable[[], object]) -> object:
    if inspect.iscoroutinefunction(function):
        raise Fault(f"app: {reference} is async; expected a function that returns a Config")
    try:
        return function()
    except ConfigError:
        raise  # it says all by itself
    except (Exception, SystemExit) as error:
        raise Fault(f"app: {reference}() failed{_place(error)}: {summary(error)}") from error


def _no_config(reference: str, found: Any) -> str:
    return (
        f"app: expected a bgjobs.Config, or a function that returns one, "
        f"found {type(found).__name__} at {reference}"
    )
