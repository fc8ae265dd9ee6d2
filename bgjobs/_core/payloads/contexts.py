"""Annotations that mean `JobContext`, also where its name is not imported."""

import ast
import types
from typing import Annotated, Any, Final, Union, get_args, get_origin

from bgjobs._core.context import JobContext


def resolve_context(annotation: Any) -> Any:
    """Return the `JobContext` of an annotation that is one or one with None, else all of it."""
    plain = _plain(annotation)
    if get_origin(plain) in (Union, types.UnionType):
        members = [_plain(one) for one in get_args(plain) if one is not types.NoneType]
        if len(members) == 1:
            plain = members[0]
    return plain if is_context(plain) else annotation


def is_context(annotation: Any) -> bool:
    """Whether an annotation is `JobContext`, with or without the type of its resources."""
    return annotation is JobContext or get_origin(annotation) is JobContext


def _plain(annotation: Any) -> Any:
    while get_origin(annotation) in (Annotated, Final):
        annotation = get_args(annotation)[0]
    return annotation


def is_context_text(annotation: object) -> bool:
    """Whether an annotation is text that means `JobContext`, without importing its names."""
    if not isinstance(annotation, str):
        return False
    try:
        return _means_context(ast.parse(annotation.strip(), mode="eval").body)
    except (SyntaxError, ValueError, RecursionError):
        return False


def _means_context(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant):
        return is_context_text(node.value)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _is_optional_context([node.left, node.right])
    if isinstance(node, ast.Subscript):
        inside = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        wrapper = _last_name(node.value)
        if wrapper in ("Optional", "Union"):
            return _is_optional_context(inside)
        if wrapper == "Annotated":
            return _means_context(inside[0])
        return wrapper == "JobContext"
    return _last_name(node) == "JobContext"


def _is_optional_context(members: list[ast.expr]) -> bool:
    left = [one for one in members if not (isinstance(one, ast.Constant) and one.value is None)]
    return len(left) == 1 and _means_context(left[0])


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
