"""How long a failed job waits before it is tried again: pure policies, no clock.

The attempts are numbered as the handler sees them, from 0.
"""

from collections.abc import Callable
from datetime import timedelta
from math import exp, isnan, log
from random import Random
from typing import Protocol, TypeGuard, final

from attrs import Attribute, field, frozen

from bgjobs._core.deferred import discard
from bgjobs._core.text import number_text

LONGEST = timedelta(days=365)
"""No job waits longer; what is not tried within a year is forgotten, not delayed."""


_MOST = LONGEST.total_seconds()
_MANY = 10**100
"""Attempts; a float holds it, and it makes any factor above 1 grow beyond all bounds."""
_LARGEST_EXPONENT = 700.0
"""What `exp` can be asked for; its answer is beyond every maximum."""


def _up_to_a_year(instance: object, attribute: "Attribute[float]", value: float) -> None:
    what = f"{type(instance).__name__}: {attribute.name}"
    _check_number(what, value, "seconds")
    if not 0 <= value <= _MOST:
        raise ValueError(f"{what}: expected 0 to {_MOST:g} seconds, found {number_text(value)}")


def _factor(instance: object, attribute: "Attribute[float]", value: float) -> None:
    what = f"{type(instance).__name__}: {attribute.name}"
    _check_number(what, value, "a number")
    if not 1 <= value <= _MOST:
        raise ValueError(f"{what}: expected 1 to {_MOST:g}, found {number_text(value)}")


def _check_number(what: str, value: object, wanted: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{what}: expected {wanted}, found {type(value).__name__}")


class Backoff(Protocol):
    """A delay policy."""

    def delay(self, attempt: int, random: Random) -> timedelta:
        """Say how long to wait after `attempt` has raised; jitter comes from `random`."""
        ...


@final
@frozen
class Exponential:
    """Wait a random time below `base * factor ** attempt`, at most `maximum` seconds.

    Full jitter: the whole interval from zero is drawn from, so that jobs which failed
    together do not come back together. Source: Marc Brooker, "Exponential Backoff And
    Jitter", AWS Architecture Blog, 2015.
    """

    base: float = field(default=2.0, validator=_up_to_a_year)
    factor: float = field(default=2.0, validator=_factor)
    maximum: float = field(default=3600.0, validator=_up_to_a_year)

    def delay(self, attempt: int, random: Random) -> timedelta:
        """See `Backoff.delay`."""
        try:
            # As floats: a whole number would grow to any length.
            ceiling = min(self.base * float(self.factor) ** attempt, self.maximum)
        except OverflowError:
            ceiling = min(self._grown(attempt), self.maximum)
        return timedelta(seconds=random.uniform(0, ceiling))

    def _grown(self, attempt: int) -> float:
        """Return `base * factor ** attempt` where the power alone is beyond all floats.

        With a tiny base the product may still be less than any maximum.
        """
        if not self.base:
            return 0.0
        exponent = log(self.base) + log(self.factor) * min(attempt, _MANY)
        return exp(min(exponent, _LARGEST_EXPONENT))


@final
@frozen
class Constant:
    """Wait the same number of `seconds` every time."""

    seconds: float = field(validator=_up_to_a_year)

    def delay(self, attempt: int, random: Random) -> timedelta:  # noqa: ARG002 - the protocol's
        """See `Backoff.delay`."""
        return timedelta(seconds=self.seconds)


@final
@frozen
class Custom:
    """Ask a function of the attempt's number, which answers in seconds or a `timedelta`."""

    function: Callable[[int], float | timedelta]

    def delay(self, attempt: int, random: Random) -> timedelta:  # noqa: ARG002 - the protocol's
        """See `Backoff.delay`."""
        answer = self.function(attempt)
        _check_answer(self.function, answer, (int, float, timedelta), "seconds or a timedelta")
        if isinstance(answer, timedelta):
            return answer
        if isinstance(answer, float) and isnan(answer):
            found = f"found {answer}"
            raise ValueError(f"backoff {_name(self.function)}: expected seconds, {found}")
        return timedelta(seconds=min(max(answer, 0), _MOST))


IMMEDIATE = Constant(0)
"""Try again at once."""

BackoffSetting = Backoff | Callable[[int], float | timedelta]


def delay_of(policy: Backoff, attempt: int, random: Random) -> timedelta:
    """Ask a policy, and keep its answer between zero and a year."""
    delay = policy.delay(attempt, random)
    _check_answer(policy, delay, (timedelta,), "a timedelta")
    return min(max(delay, timedelta(0)), LONGEST)


def as_backoff(setting: BackoffSetting) -> Backoff:
    """Give the policy that a setting means; what is neither is given back, to be refused."""
    if is_policy(setting) or not callable(setting):
        return setting
    return Custom(setting)


def is_policy(value: object) -> TypeGuard[Backoff]:
    """Whether `value` has the method of a policy; a class of policies has it, too."""
    # Not isinstance(): from Python 3.12 on, that does not see what __getattr__ passes on.
    return callable(getattr(value, "delay", None))


def _check_answer(asked: object, answer: object, kinds: tuple[type, ...], wanted: str) -> None:
    """Raise `TypeError` for another answer; a coroutine, say, of an async function."""
    if not isinstance(answer, kinds) or isinstance(answer, bool):
        discard(answer)
        found = type(answer).__name__
        raise TypeError(f"backoff {_name(asked)}: expected {wanted}, found {found}")


def _name(asked: object) -> str:
    return str(getattr(asked, "__qualname__", type(asked).__qualname__))
