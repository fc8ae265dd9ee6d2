"""The ways to write that a parameter is the context: `JobContext`, or it joined with None."""

import ast
import types
import typing
from typing import Annotated, Any, Union, get_args, get_origin

from bgjobs._core.context import JobContext


def as_context(annotation: Any) -> Any:
    """Return `JobContext` for what means it; with None too, for a context is always given."""
    plain = _plain(annotation)
    if get_origin(plain) in (Union, types.UnionType):
        members = {_plain(one) for one in get_args(plain)} - {types.NoneType}
        if members == {JobContext}:
            return JobContext
    return JobContext if plain is JobContext else annotation


def _plain(annotation: Any) -> Any:
    while get_origin(annotation) in (Annotated, typing.Final):
        annotation = get_args(annotation)[0]
    return annotation


def written_as_context(annotation: object) -> bool:
    """Whether the text of an annotation means it, where its names are not imported."""
    if not isinstance(annotation, str):
        return False
    try:
        return _means_context(ast.parse(annotation.strip(), mode="eval").body)
    except (SyntaxError, ValueError, RecursionError):
        return False


def _means_context(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant):
        return written_as_context(node.value)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _is_one_beside_none([node.left, node.right])
    if isinstance(node, ast.Subscript):
        inside = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        wrapper = _last_name(node.value)
        if wrapper in ("Optional", "Union"):
            return _is_one_beside_none(inside)
        return wrapper == "Annotated" and _means_context(inside[0])
    return _last_name(node) == "JobContext"


def _is_one_beside_none(members: list[ast.expr]) -> bool:
    left = [one for one in members if not (isinstance(one, ast.Constant) and one.value is None)]
    return len(left) == 1 and _means_context(left[0])


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
