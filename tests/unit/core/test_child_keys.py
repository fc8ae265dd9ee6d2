"""Keys of children, which are the same in each run of a handler."""

import os
import subprocess
import sys
from typing import Any

import pytest

import bgjobs
from bgjobs._core.nurseries import ChildKeys, digest_of, priority_of_children


@bgjobs.worker
async def tag(names: set[str], weights: dict[str, int] | None = None) -> None:
    """Never run."""


@bgjobs.worker
async def count(path: str) -> None:
    """Never run."""


def test_equal_requests_have_equal_digests_whatever_the_order_of_members() -> None:
    one = tag.request({"a", "b"}, {"x": 1, "y": 2})
    other = tag.request({"b", "a"}, {"y": 2, "x": 1})
    assert digest_of(one) == digest_of(other)
    assert digest_of(one) != digest_of(tag.request({"a"}, {"x": 1, "y": 2}))


def test_workers_with_equal_arguments_have_different_digests() -> None:
    assert digest_of(count.request("a")) != digest_of(bgjobs.JobRequest("b", '{"path": "a"}'))


def test_options_are_not_part_of_a_digest() -> None:
    request = count.request("a")
    assert digest_of(request) == digest_of(request.priority(5).available_in(seconds=1))


def test_the_digest_of_a_set_does_not_depend_on_the_hash_seed() -> None:
    code = (
        "from tests.unit.core.test_child_keys import tag, digest_of;"
        "print(digest_of(tag.request({'a', 'b', 'c', 'd', 'e'})))"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(digests) == 1


def test_equal_requests_of_one_run_are_numbered() -> None:
    keys, again = ChildKeys(), ChildKeys()
    first = [keys.key_of(count.request(path)) for path in ("a", "b", "a")]
    assert len(set(first)) == 3
    assert first == [again.key_of(count.request(path)) for path in ("a", "b", "a")]


def test_a_given_key_replaces_the_made_one() -> None:
    assert ChildKeys().key_of(count.request("a"), "2024-05-01") == "2024-05-01"


def test_a_key_can_be_given_once() -> None:
    keys = ChildKeys()
    keys.key_of(count.request("a"), "k")
    with pytest.raises(ValueError, match="another child of this run has the key 'k'"):
        keys.key_of(count.request("b"), "k")


@pytest.mark.parametrize("key", ["", "a\nb", "x" * 201, "sha256:1"])
def test_invalid_keys_are_refused(key: str) -> None:
    with pytest.raises(ValueError, match="enqueue: key: expected 1 to 200 printable") as caught:
        ChildKeys().key_of(count.request("a"), key)
    assert "that do not begin with 'sha256:', found" in str(caught.value)


def test_a_key_is_a_text() -> None:
    wrong: Any = 3
    with pytest.raises(TypeError, match="enqueue: key: expected str, found int"):
        ChildKeys().key_of(count.request("a"), wrong)


@pytest.mark.parametrize(("parent", "expected"), [(0, -1), (5, 4), (-32_767, -32_767)])
def test_children_run_before_their_parent(parent: int, expected: int) -> None:
    assert priority_of_children(parent) == expected
