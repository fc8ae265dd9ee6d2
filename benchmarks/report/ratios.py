"""How two series of paired measurements differ, and how sure that is."""

from collections.abc import Sequence
from math import exp, inf, log
from statistics import median
from typing import final

from attrs import frozen

LEVEL = 0.95
"""The confidence of an interval."""


@final
@frozen
class Ratio:
    """A ratio, and the interval in which it lies with a confidence of `LEVEL`."""

    middle: float
    low: float
    high: float


def paired_ratio(ours: Sequence[float], others: Sequence[float]) -> Ratio:
    """Return the median ratio of `ours` to `others`, which are positive and paired in order.

    It is the Hodges-Lehmann estimate on the logarithms: the median of the averages of all
    pairs, with the interval of the signed-rank test (Hollander, Wolfe and Chicken,
    Nonparametric Statistical Methods, 3.2 and 3.3). Of the same pairs, it is about a fifth
    narrower than the interval of the plain median. Fewer than six pairs bound nothing.
    """
    logs = [log(one / other) for one, other in zip(ours, others, strict=True)]
    averages = sorted(
        (first + second) / 2 for at, first in enumerate(logs) for second in logs[at:]
    )
    cut = _averages_outside(len(logs))
    low, high = (averages[cut - 1], averages[-cut]) if cut else (-inf, inf)
    return Ratio(exp(median(averages)), exp(low), exp(high) if high < inf else inf)


def _averages_outside(pairs: int) -> int:
    """Return the place, from either end of the sorted averages, of the interval's ends.

    That is the largest number whose predecessor the signed-rank statistic reaches with half
    of what is left of the confidence at most; 0 when even the outermost averages are too near.
    """
    largest = pairs * (pairs + 1) // 2
    ways = [1] + [0] * largest  # in how many ways some of the ranks 1 to `pairs` have this sum
    for rank in range(1, pairs + 1):
        for total in range(largest, rank - 1, -1):
            ways[total] += ways[total - rank]
    room, cut = (1 - LEVEL) / 2 * 2**pairs, 0
    while (room := room - ways[cut]) >= 0:
        cut += 1
    return cut
