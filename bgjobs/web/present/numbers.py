"""Numbers, durations, shares and times: short for people, with the exact value in the title."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from markupsafe import Markup

from bgjobs._core.text import number_text

_MICROSECOND = timedelta(microseconds=1)
_EXACT_BELOW = 10_000
_UNITS = ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k"))
_LARGEST = 10**15
"""Numbers from here on have no unit that readers know."""
_WHOLE_FROM = 100
"""Tenths do not matter from here on."""
_DURATIONS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
_THOUSAND, _MILLION = 1_000, 1_000_000
_LEAST_RATE, _LARGE_RATE = 0.1, 100

_PLAIN = Markup('<span class="number">{}</span>')
_SHORT = Markup('<span class="number" title="{}">{}</span>')
_DURATION = Markup('<data class="duration" value="{}" title="{} s">{}</data>')
_INSTANT = Markup('<time class="instant {}" datetime="{}" title="{}">{}</time>')


def number(count: int) -> Markup:
    """Return a count; from 10,000 on it is short, as in ``1.2 M``."""
    exact = exact_text(count)
    if abs(count) < _EXACT_BELOW:
        return _PLAIN.format(exact)
    return _SHORT.format(exact, short_text(count))


def bounded(count: int, at_most: int) -> Markup:
    """Return a count that stopped at `at_most`, which is then ``100,000 or more``."""
    if count < at_most:
        return number(count)
    return _PLAIN.format(f"{exact_text(at_most)} or more")


def short_text(count: int) -> str:
    """Return a count with at most four digits: ``9,999``, ``12.3 k``, ``999 M``.

    Digits are cut and not rounded, so that it never states more than there is.
    """
    if count < 0:
        return f"-{short_text(-count)}"
    if count >= _LARGEST:
        return "> 999 T"
    for size, unit in _UNITS:
        if count >= max(size, _EXACT_BELOW):
            return f"{_tenths(count * 10 // size)} {unit}"
    return f"{count:,}"


def exact_text(count: int) -> str:
    """Return a count with all its digits, unless they are too many to read."""
    return f"{count:,}" if abs(count) < _LARGEST else number_text(count)


def percent(part: int, whole: int) -> Markup:
    """Return a share; it is 0 % or 100 % only if it is exactly that."""
    title = f"{exact_text(part)} of {exact_text(whole)}"
    return _SHORT.format(title, _percent_text(part, whole))


def duration(length: timedelta) -> Markup:
    """Return a duration: ``1.2 s``, ``3 min 20 s``, ``2 d 4 h``."""
    count = length // _MICROSECOND
    sign, (whole, rest) = "-" if count < 0 else "", divmod(abs(count), _MILLION)
    fraction = f".{rest:06}".rstrip("0") if rest else ""
    exact, shown = f"{sign}{whole}{fraction}", f"{sign}{whole:,}{fraction}"
    return _DURATION.format(exact, shown, duration_text(length))


def duration_text(length: timedelta) -> str:
    """Return a duration in its two largest units, cut and not rounded."""
    count = length // _MICROSECOND
    if count < 0:
        return f"-{duration_text(-length)}"
    for size, unit, most in ((_THOUSAND, "ms", _MILLION), (_MILLION, "s", 10 * _MILLION)):
        if count and count < most:
            return f"{_tenths(count * 10 // size)} {unit}" if count * 10 >= size else "< 0.1 ms"
    return _in_two_units(count // _MILLION)


def rate_text(rate: float) -> str:
    """Return a rate with one decimal, or without one if it is large."""
    if 0 < rate < _LEAST_RATE:
        return "< 0.1"
    return f"{rate:,.0f}" if rate == 0 or rate >= _LARGE_RATE else f"{rate:,.1f}"


def relative(at: datetime, now: datetime) -> Markup:
    """Return how long ago a time was, or how far ahead it is; the title has it in UTC."""
    if abs(at - now) < timedelta(seconds=1):
        return _instant("relative", at, "now")
    if at > now:
        return _instant("relative", at, f"in {_in_one_unit(at - now)}")
    return _instant("relative", at, f"{_in_one_unit(now - at)} ago")


def absolute(at: datetime) -> Markup:
    """Return a time in UTC, which a script may replace by the time of the reader's zone."""
    return _instant("absolute", at, utc_text(at))


def utc_text(at: datetime, precision: str = "seconds") -> str:
    """Return a time in UTC, as in ``2030-01-31 12:00:00 UTC``."""
    return f"{at.astimezone(UTC).replace(tzinfo=None).isoformat(' ', precision)} UTC"


def _instant(form: str, at: datetime, text: str) -> Markup:
    plain = at.astimezone(UTC).replace(tzinfo=None)
    iso = f"{plain.isoformat(timespec='milliseconds')}Z"
    return _INSTANT.format(form, iso, utc_text(at, "milliseconds"), text)


def _tenths(count: int) -> str:
    """Return a tenth of `count`, with its decimal only where that matters."""
    whole, tenth = divmod(count, 10)
    return f"{whole}.{tenth}" if tenth and whole < _WHOLE_FROM else f"{whole}"


def _percent_text(part: int, whole: int) -> str:
    if not whole:
        return "-"
    if part and part * _THOUSAND < whole:
        return "< 0.1 %"
    if part < whole < part + -(-whole // _THOUSAND):
        return "> 99.9 %"
    return f"{_tenths(part * _THOUSAND // whole)} %"


def _in_two_units(seconds: int) -> str:
    sizes = [*_DURATIONS, (0, "")]
    for (size, unit), (small, small_unit) in pairwise(sizes):
        if seconds >= size:
            count, rest = divmod(seconds, size)
            fine = rest // small if small and count < _THOUSAND else 0
            return f"{count:,} {unit} {fine} {small_unit}" if fine else f"{count:,} {unit}"
    return "0 s"


def _in_one_unit(length: timedelta) -> str:
    seconds = length // timedelta(seconds=1)
    for size, unit in _DURATIONS:
        if seconds >= size:
            return f"{seconds // size:,} {unit}"
    return "0 s"
