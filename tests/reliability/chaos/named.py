"""Functions that are told of by name, from process to process."""

import importlib
from collections.abc import Callable
from typing import Any


def named(path: str) -> Callable[..., Any]:
    """Give the function that ``module:function`` names."""
    module, _, function = path.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return found
