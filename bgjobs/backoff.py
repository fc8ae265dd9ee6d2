"""Backoff policies: how long a job waits after an attempt that raised.

A policy is pure: it has no clock. Attempts are counted from 1, as in `JobContext.attempt`.
"""

from collections.abc import Callable
from datetime import timedelta
from math import exp, isnan, log
from random import Random
from typing import Protocol, TypeGuard, final

from attrs import Attribute, field, frozen

from bgjobs._core.lazy import close_coroutines
from bgjobs._core.text import number_text

LONGEST = timedelta(days=365)
"""The longest delay. `delay_of` cuts longer ones."""

_MOST = LONGEST.total_seconds()
_MANY = 10**100
"""An exponent that fits into a float and with which every factor above 1 passes every
maximum."""
_LARGEST_EXPONENT = 700.0
"""The largest argument of `exp` that does not overflow; the result is above every maximum."""


def _up_to_a_year(instance: object, attribute: "Attribute[float]", value: float) -> None:
    what = _described(instance, attribute)
    _check_number(what, value, "seconds")
    if not 0 <= value <= _MOST:
        raise ValueError(f"{what}: expected 0 to {_MOST:g} seconds, found {number_text(value)}")


def _factor(instance: object, attribute: "Attribute[float]", value: float) -> None:
    what = _described(instance, attribute)
    _check_number(what, value, "a number")
    if not 1 <= value <= _MOST:
        raise ValueError(f"{what}: expected 1 to {_MOST:g}, found {number_text(value)}")


def _described(instance: object, attribute: "Attribute[float]") -> str:
    return f"{type(instance).__name__}: {attribute.name}"


def _check_number(what: str, value: object, wanted: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{what}: expected {wanted}, found {type(value).__name__}")


class Backoff(Protocol):
    """A policy: any object with this method."""

    def delay(self, attempt: int, random: Random) -> timedelta:
        """Return how long the job waits before its next attempt.

        If it raises or returns anything but a `timedelta`, the queue emits `QueueError` and
        uses `Exponential()` for this attempt.

        Args:
            attempt: The number of the attempt that raised, counted from 1.
            random: The source of jitter.

        Returns:
            The delay. A negative one counts as zero, and one of more than a year as a year.
        """
        ...


@final
@frozen
class Exponential:
    """Wait a random time up to ``base * factor ** (attempt - 1)`` seconds.

    This is full jitter: each delay is drawn from the whole interval that begins at zero, so
    that jobs which failed together are not retried together. See Marc Brooker, `Exponential
    Backoff And Jitter
    <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>`_, 2015.

    Args:
        base: The upper bound of the first delay, in seconds; 0 to a year.
        factor: The number by which the bound grows with each attempt; 1 or more.
        maximum: The largest bound, in seconds; 0 to a year.

    Raises:
        TypeError: One of them is not a number.
        ValueError: One of them is out of bounds.
    """

    base: float = field(default=2.0, validator=_up_to_a_year)
    factor: float = field(default=2.0, validator=_factor)
    maximum: float = field(default=3600.0, validator=_up_to_a_year)

    def delay(self, attempt: int, random: Random) -> timedelta:
        """Return a random delay; see `Backoff.delay`."""
        try:
            # As floats, because an int would grow without a bound.
            ceiling = min(self.base * float(self.factor) ** (attempt - 1), self.maximum)
        except OverflowError:
            ceiling = min(self._grown(attempt - 1), self.maximum)
        return timedelta(seconds=random.uniform(0, ceiling))

    def _grown(self, exponent: int) -> float:
        """Return `base * factor ** exponent` if the power alone does not fit into a float.

        With a tiny base the product may still be below the maximum.
        """
        if not self.base:
            return 0.0
        logarithm = log(self.base) + log(self.factor) * min(exponent, _MANY)
        return exp(min(logarithm, _LARGEST_EXPONENT))


@final
@frozen
class Constant:
    """Wait the same time after every attempt.

    Args:
        seconds: The delay; 0 to a year.

    Raises:
        TypeError: `seconds` is not a number.
        ValueError: `seconds` is out of bounds.
    """

    seconds: float = field(validator=_up_to_a_year)

    def delay(self, attempt: int, random: Random) -> timedelta:  # noqa: ARG002 - the protocol's
        """Return `seconds` as a `timedelta`."""
        return timedelta(seconds=self.seconds)


@final
@frozen
class Custom:
    """Wait as long as a function says; ``backoff=function`` as a setting makes one of these.

    Args:
        function: A plain function of the number of the attempt that raised, counted from 1. It
            returns seconds or a `timedelta`.
    """

    function: Callable[[int], float | timedelta]

    def delay(self, attempt: int, random: Random) -> timedelta:  # noqa: ARG002 - the protocol's
        """Call the function and return its answer as a `timedelta`.

        Raises:
            TypeError: The answer is neither a number of seconds nor a `timedelta`.
            ValueError: The answer is NaN.
        """
        answer = self.function(attempt)
        _check_answer(self.function, answer, (int, float, timedelta), "seconds or a timedelta")
        if isinstance(answer, timedelta):
            return answer
        if isinstance(answer, float) and isnan(answer):
            found = f"found {answer}"
            raise ValueError(f"backoff {_name(self.function)}: expected seconds, {found}")
        return timedelta(seconds=min(max(answer, 0), _MOST))


IMMEDIATE = Constant(0)
"""Retry without a delay."""

BackoffSetting = Backoff | Callable[[int], float | timedelta]
"""What settings accept: a policy, or the function of a `Custom` one."""


def delay_of(policy: Backoff, attempt: int, random: Random) -> timedelta:
    """Return the delay of a policy, cut to the range from zero to a year."""
    delay = policy.delay(attempt, random)
    _check_answer(policy, delay, (timedelta,), "a timedelta")
    return min(max(delay, timedelta(0)), LONGEST)


def as_backoff(setting: BackoffSetting) -> Backoff:
    """Return the policy of a setting, and anything else as it is, to be refused later."""
    if is_policy(setting) or not callable(setting):
        return setting
    return Custom(setting)


def is_policy(value: object) -> TypeGuard[Backoff]:
    """Whether `value` has the method of a policy; true for a class of policies, too."""
    # Not isinstance(): since Python 3.12 that ignores methods that __getattr__ provides.
    return callable(getattr(value, "delay", None))


def _check_answer(source: object, answer: object, kinds: tuple[type, ...], wanted: str) -> None:
    """Raise `TypeError` for an answer of another type, such as a coroutine."""
    if not isinstance(answer, kinds) or isinstance(answer, bool):
        close_coroutines(answer)
        found = type(answer).__name__
        raise TypeError(f"backoff {_name(source)}: expected {wanted}, found {found}")


def _name(source: object) -> str:
    return str(getattr(source, "__qualname__", type(source).__qualname__))
