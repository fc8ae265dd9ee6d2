"""How often a login may fail, for one address or one name.

All times are seconds of a clock that never decreases.
"""

from collections import OrderedDict
from collections.abc import Sequence
from ipaddress import IPv6Address, ip_address, ip_network
from typing import final

from attrs import frozen

MOST_KEYS = 10_000
"""The addresses, or names, of which failures are kept. The oldest are forgotten."""
LONGEST_KEY = 200


@final
@frozen
class LoginLimit:
    """How many logins may fail within a time."""

    most: int
    within: float
    """In seconds."""

    def recent(self, failures: Sequence[float], now: float) -> Sequence[float]:
        """Return the failures that count."""
        return [time for time in failures if time > now - self.within]

    def wait(self, failures: Sequence[float], now: float) -> float:
        """Return the seconds until another login may be tried; 0 if it may be tried now."""
        recent = self.recent(failures, now)
        return 0.0 if len(recent) < self.most else recent[-self.most] + self.within - now


ADDRESS_LIMIT = LoginLimit(most=10, within=60)
NAME_LIMIT = LoginLimit(most=20, within=300)
"""Higher, because an attacker can use it to keep a user from logging in."""


@final
class LoginAttempts:
    """The failed logins by address, or by name."""

    def __init__(self, limit: LoginLimit, most_keys: int = MOST_KEYS) -> None:
        self._limit = limit
        self._most_keys = most_keys
        self._failures = OrderedDict[str, Sequence[float]]()

    def __len__(self) -> int:
        return len(self._failures)

    def wait(self, key: str, now: float) -> float:
        """Return the seconds until a login of this key may be tried; 0 if it may be tried."""
        return self._limit.wait(self._failures.get(key[:LONGEST_KEY], ()), now)

    def add(self, key: str, now: float) -> None:
        """Count a login that begins, as if it failed: those at the same time count as well."""
        key = key[:LONGEST_KEY]
        recent = self._limit.recent(self._failures.pop(key, ()), now)
        self._failures[key] = [*recent, now]
        while len(self._failures) > self._most_keys:
            self._failures.popitem(last=False)

    def remove(self, key: str, begun: float) -> None:
        """Forget the login that began at this time, because it succeeded."""
        key = key[:LONGEST_KEY]
        left = list(self._failures.pop(key, ()))
        if begun in left:
            left.remove(begun)
        if left:
            self._failures[key] = left


def address_key(address: str) -> str:
    """Return the address of a client, or of its network: who has one IPv6 address has many."""
    try:
        found = ip_address(address)
    except ValueError:  # such as that of a Unix socket
        return address
    if isinstance(found, IPv6Address) and found.ipv4_mapped is None:
        return str(ip_network((int(found), 64), strict=False))
    return address
