"""How often a login may fail: pure values of times."""

import pytest

from bgjobs.web.auth.attempts import LoginAttempts, LoginLimit, address_key

LIMIT = LoginLimit(most=2, within=60)


@pytest.mark.parametrize(
    ("failures", "now", "wait"),
    [
        ([], 0, 0),
        ([10], 10, 0),
        ([10, 20], 20, 50),
        ([10, 20], 69, 1),
        ([10, 20], 70, 0),
        ([10, 20, 30], 70, 10),
    ],
)
def test_a_login_waits_until_enough_failures_are_old(
    failures: list[float], now: float, wait: float
) -> None:
    assert LIMIT.wait(failures, now) == wait


def test_a_login_that_succeeds_is_forgotten_and_the_others_are_not() -> None:
    attempts = LoginAttempts(LIMIT)
    attempts.add("ada", 1)
    attempts.add("ada", 2)
    assert attempts.wait("ada", 3) == 58

    attempts.remove("ada", 2)
    assert attempts.wait("ada", 3) == 0
    attempts.remove("ada", 1)
    assert len(attempts) == 0
    attempts.remove("ada", 1)


def test_the_memory_of_failures_is_bounded() -> None:
    attempts = LoginAttempts(LIMIT, most_keys=3)
    for number in range(10):
        attempts.add(f"user {number}", number)
    attempts.add("x" * 100_000, 10)

    assert len(attempts) == 3
    assert attempts.wait("x" * 100_000, 10) == attempts.wait("x" * 200, 10)


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.1"),
        ("unix", "unix"),
    ],
)
def test_the_addresses_of_one_network_count_together(address: str, key: str) -> None:
    assert address_key(address) == key
