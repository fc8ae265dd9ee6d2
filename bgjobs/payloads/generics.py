"""Generic classes and aliases: which type arguments hold where, and what names mean there."""

import inspect
import sys
from collections.abc import Mapping
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

Arguments = Mapping[Any, Any]
"""Types by type parameter."""


class UnfitClassError(Exception):
    """A class whose values cannot be made from its fields, or whose fields are unknown."""


def arguments_by_class(annotation: Any) -> dict[type, Arguments]:
    """Return the type arguments of a class and of each of its bases, in their own parameters.

    Two classes may use one type variable for different things, so a field is looked up with
    those of the class that defines it.
    """
    kind: type[Any] = get_origin(annotation) or annotation
    own = paired(getattr(kind, "__parameters__", ()), get_args(annotation))
    found: dict[type, Arguments] = {kind: own}
    for base in written_bases(kind):
        if inspect.isclass(get_origin(base) or base):
            for one, arguments in arguments_by_class(substituted(base, own)).items():
                found.setdefault(one, arguments)
    return found


def written_bases(kind: type[Any]) -> tuple[Any, ...]:
    """Return the bases of a class with their type arguments."""
    # Inherited, the attribute would be that of a base.
    found: tuple[Any, ...] = vars(kind).get("__orig_bases__", kind.__bases__)
    return found


def paired(parameters: tuple[Any, ...], arguments: tuple[Any, ...]) -> Arguments:
    """Pair type parameters with what was written for them."""
    if arguments and not all(isinstance(one, TypeVar) for one in parameters):
        raise UnfitClassError("its type parameters do not take one type each")
    return dict(zip(parameters, arguments, strict=False))


def substituted(annotation: Any, arguments: Arguments) -> Any:
    """Put type arguments in the place of type variables, where they are known."""
    if isinstance(annotation, TypeVar):
        return arguments.get(annotation, annotation)
    wanted: tuple[Any, ...] = getattr(annotation, "__parameters__", ())
    if not wanted or isinstance(annotation, type):
        return annotation
    try:
        return annotation[tuple(arguments.get(one, one) for one in wanted)]
    except TypeError:  # a parameter that takes several types is refused where it is used
        return annotation


def evaluated(annotation: Any, where: Any, *names: Any, extras: bool = False) -> Any:
    """Evaluate the names in an annotation as the class or alias `where` does.

    `where` and `names` are found by their own names too, for they may be local to a function.
    """
    known = (*getattr(where, "__type_params__", ()), *names, where)
    local = {one.__name__: one for one in known} | _nested_in(where)
    module = getattr(sys.modules.get(where.__module__), "__dict__", {})
    holder = type("Holder", (), {"__annotations__": {"it": annotation}})
    try:
        try:
            return get_type_hints(holder, module, local, include_extras=extras)["it"]
        except NameError:
            # Last, for most of these are the defaults of fields, called as a type may be.
            body = {**vars(where), **local} if isinstance(where, type) else local
            return get_type_hints(holder, module, body, include_extras=extras)["it"]
    except (NameError, AttributeError, TypeError, SyntaxError) as error:
        raise UnfitClassError(f"its annotations cannot be resolved: {error}") from error


def _nested_in(where: Any) -> dict[str, Any]:
    """Return the classes that are defined in the body of a class, by their names."""
    return {
        name: one
        for name, one in (vars(where).items() if isinstance(where, type) else ())
        if isinstance(one, type) and one.__qualname__ == f"{where.__qualname__}.{name}"
    }
