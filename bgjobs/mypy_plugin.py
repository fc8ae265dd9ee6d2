"""A plugin for mypy, which checks schedules made of literals.

Enable it in the settings of mypy: ``plugins = ["bgjobs.mypy_plugin"]``. Each of these calls is
then an error with the code ``bgjobs-schedule``, at the method that is wrong::

    schedule().between_hours(17, 8)                         a range that runs backwards
    schedule().in_timezone("Europe/Pari")                   an unknown time zone
    schedule().on_day_of_month(30).on_february().build()    a day that no year has
    schedule().on_weekdays().build()                        every minute of these days
    from_cron("61 * * * *"), every(seconds=0)

The plugin has no rules of its own. It makes every call whose arguments are literals and
reports the `ScheduleValidationError`; arguments that are known only at run time are ignored.
See https://mypy.readthedocs.io/en/stable/extending_mypy.html.
"""

from collections.abc import Callable, Iterable
from functools import partial, reduce
from operator import methodcaller
from typing import Any, TypeAlias, TypeVar

from mypy.constant_fold import (
    constant_fold_binary_op,
    constant_fold_expr,
    constant_fold_unary_op,
)
from mypy.errorcodes import ErrorCode
from mypy.nodes import (
    CallExpr,
    Context,
    Expression,
    FuncDef,
    MemberExpr,
    OpExpr,
    RefExpr,
    UnaryExpr,
)
from mypy.plugin import CheckerPluginInterface, FunctionContext, MethodContext, Plugin
from mypy.subtypes import is_subtype
from mypy.types import CallableType, Instance, LiteralType, Type, get_proper_type

from bgjobs.schedules import (
    Schedule,
    ScheduleBuilder,
    ScheduleProblem,
    ScheduleValidationError,
    every,
    from_cron,
    schedule,
)

SCHEDULE = ErrorCode("bgjobs-schedule", "Check schedules made of literals", "bgjobs")

_LARGEST = 100_000
"""The most bits of a number, or characters of a text, to which expressions are evaluated."""
_DEEPEST = 50
"""The most nested operators that are evaluated."""

T = TypeVar("T")
CallContext: TypeAlias = FunctionContext | MethodContext
Hook: TypeAlias = Callable[[CallContext], Type]
Step: TypeAlias = Callable[[ScheduleBuilder], ScheduleBuilder]
"""A call of a method of the builder, with its arguments."""


def plugin(version: str) -> type[Plugin]:  # noqa: ARG001 - mypy passes its version
    """Return the class of the plugin; mypy calls this."""
    return SchedulePlugin


class SchedulePlugin(Plugin):
    """Makes the calls of literal schedules and reports their problems."""

    def get_function_hook(self, fullname: str) -> Hook | None:
        """Return the check of `every` or `from_cron`."""
        function = _FUNCTIONS.get(fullname)
        return partial(self._try_call, fullname, function) if function else None

    def get_method_hook(self, fullname: str) -> Hook | None:
        """Return the check of a builder's method; at `build`, that of the whole chain."""
        owner, _, name = fullname.rpartition(".")
        if owner != _BUILDER or name.startswith("_"):
            return None
        if name == "build":
            return _try_chain
        return partial(self._try_call, fullname, partial(_build_step, name))

    def _try_call(
        self, fullname: str, function: Callable[..., object], ctx: CallContext
    ) -> Type:
        # To mypy a decorator is a call too, but it has no arguments to check.
        if isinstance(ctx.context, CallExpr) and self._fits(fullname, ctx):
            call = _with_arguments(function, ctx.context, ctx.api)
            _report(_of_one_step(_faults(call)) if call else (), ctx)
        return ctx.default_return_type

    def _fits(self, fullname: str, ctx: CallContext) -> bool:
        """Whether the arguments have the right types; if not, mypy reports that itself."""
        found = self.lookup_fully_qualified(fullname)
        node = found.node if found else None
        if not isinstance(node, FuncDef) or not isinstance(node.type, CallableType):
            return False
        wanted = node.type.arg_types[-len(ctx.arg_types) :]  # without `self`
        pairs = zip(wanted, ctx.arg_types, strict=False)
        return all(is_subtype(one, formal) for formal, given in pairs for one in given)


def _try_chain(ctx: CallContext) -> Type:
    if isinstance(ctx.context, CallExpr) and isinstance(ctx.context.callee, MemberExpr):
        steps = _steps(ctx.context.callee.expr, ctx.api)
        reported = [
            fault for step in steps for fault in _of_one_step(_faults(partial(_build, [step])))
        ]
        found = _faults(partial(_build, steps))
        _report([fault for fault in found if fault not in reported], ctx)
    return ctx.default_return_type


def _steps(chain: Expression, api: CheckerPluginInterface) -> list[Step]:
    """Return the calls of a chain that begins with `schedule()`; none if any is unknown."""
    steps: list[Step] = []
    while isinstance(chain, CallExpr) and isinstance(chain.callee, RefExpr):
        if chain.callee.fullname in _STARTS and not chain.args:
            return steps[::-1]
        if not isinstance(chain.callee, MemberExpr):
            break
        step = _with_arguments(partial(methodcaller, chain.callee.name), chain, api)
        if step is None:
            break
        steps.append(step())
        chain = chain.callee.expr
    return []


def _with_arguments(
    function: Callable[..., T], call: CallExpr, api: CheckerPluginInterface
) -> Callable[[], T] | None:
    """Return the function with the arguments of this call; None if any is unknown."""
    positional: list[object] = []
    named: dict[str, object] = {}
    for expression, kind, name in zip(call.args, call.arg_kinds, call.arg_names, strict=True):
        value = None if kind.is_star() else _value(expression, api)
        if value is None:
            return None
        if name is None:
            positional.append(value)
        else:
            named[name] = value
    return partial(function, *positional, **named)


def _value(expression: Expression, api: CheckerPluginInterface) -> object:
    """Return the value of a literal or of the name of a constant; None if unknown."""
    if not isinstance(expression, RefExpr):
        return _folded(expression)
    found = get_proper_type(api.get_expression_type(expression))
    if isinstance(found, Instance) and found.last_known_value:
        found = found.last_known_value
    # For a member of an enum, `found.value` is the name of the member, not its value.
    if isinstance(found, LiteralType) and found.fallback.type.fullname in _PLAIN:
        return found.value
    return None


def _folded(expression: Expression, depth: int = 0) -> Any:
    """Return the value of literals and operators; None if it is unknown or huge."""
    if not isinstance(expression, OpExpr | UnaryExpr):
        return constant_fold_expr(expression, "")
    if depth == _DEEPEST:
        return None
    try:
        if isinstance(expression, UnaryExpr):
            value = _folded(expression.expr, depth + 1)
            return None if value is None else constant_fold_unary_op(expression.op, value)
        left, right = (_folded(one, depth + 1) for one in (expression.left, expression.right))
        if left is None or right is None or _is_huge(expression.op, left, right):
            return None
        return constant_fold_binary_op(expression.op, left, right)
    except ArithmeticError:  # it does not fit into a float
        return None


def _is_huge(operator: str, left: Any, right: Any) -> bool:
    """Whether the result may be longer than any argument of a schedule."""
    if isinstance(left, int) and isinstance(right, int):
        bits = {
            "**": left.bit_length() * right,
            "<<": left.bit_length() + right,
            "*": left.bit_length() + right.bit_length(),
        }
        return bits.get(operator, 0) > _LARGEST
    if isinstance(left, str) and isinstance(right, int):
        return len(left) * right > _LARGEST
    return isinstance(left, int) and isinstance(right, str) and left * len(right) > _LARGEST


def _build_step(name: str, /, *arguments: Any, **named: Any) -> Schedule:
    return _build([methodcaller(name, *arguments, **named)])


def _build(steps: Iterable[Step]) -> Schedule:
    return reduce(lambda builder, step: step(builder), steps, schedule()).build()


def _faults(call: Callable[[], object]) -> tuple[ScheduleProblem, ...]:
    try:
        call()
    except ScheduleValidationError as error:
        return error.problems
    except Exception:  # noqa: BLE001 - wrong arguments, which mypy reports by itself
        return ()
    return ()


def _of_one_step(faults: Iterable[ScheduleProblem]) -> list[ScheduleProblem]:
    """Return the problems that other calls of the chain cannot solve."""
    return [fault for fault in faults if fault.kind != "no_time"]


def _report(faults: Iterable[ScheduleProblem], ctx: CallContext) -> None:
    for fault in faults:
        ctx.api.fail(fault.message, _place(ctx.context), code=SCHEDULE)


def _place(call: Context) -> Context:
    """Return the place of the method's name, since all calls of a chain begin at its start."""
    callee = call.callee if isinstance(call, CallExpr) else call
    if not isinstance(callee, MemberExpr) or not callee.end_line or not callee.end_column:
        return call
    return Context(callee.end_line, callee.end_column - len(callee.name))


def _full_name(called: Callable[..., object]) -> str:
    return f"{called.__module__}.{called.__qualname__}"


_BUILDER = _full_name(ScheduleBuilder)
_STARTS = (_BUILDER, _full_name(schedule))
_FUNCTIONS: dict[str, Callable[..., object]] = {
    _full_name(one): one for one in (every, from_cron)
}
_PLAIN = ("builtins.int", "builtins.str", "builtins.bool")
