"""The beginnings of ids that are enough to tell them apart."""

from collections.abc import Collection
from itertools import pairwise
from uuid import UUID

LEAST = 8
"""Digits that are shown at least."""
MOST = 32
_BITS = 128
_GROUPS = (8, 12, 16, 20)
"""A hyphen stands behind so many digits."""


def beginning(one: UUID, digits: int) -> str:
    """Return the first digits of an id, as it is written."""
    return str(one)[: digits + sum(1 for group in _GROUPS if digits > group)]


def shared(one: UUID, other: UUID) -> int:
    """Count the digits with which both begin."""
    return (_BITS - (one.int ^ other.int).bit_length()) // 4


def enough(ids: Collection[UUID]) -> int:
    """Return how many digits tell these ids apart."""
    pairs = pairwise(sorted(set(ids)))
    return min(MOST, max([LEAST, *(shared(one, other) + 1 for one, other in pairs)]))


def beginnings(ids: Collection[UUID]) -> dict[UUID, str]:
    """Return for each id as much of it as tells it from the others."""
    digits = enough(ids)
    return {one: beginning(one, digits) for one in ids}
