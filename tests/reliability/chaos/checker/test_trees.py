"""The checker finds each violation of the invariants of parents and children."""

from collections.abc import Callable, Sequence

import pytest
from attrs import evolve

from tests.reliability.chaos.checker.audit import Entry
from tests.reliability.chaos.checker.invariants import JobRecord
from tests.reliability.chaos.checker.trees import violations
from tests.reliability.chaos.processes.handlers import TREE

Jobs = list[JobRecord]


def tree() -> Jobs:
    """Return a job of the level above the last one, with its two children."""
    parent = JobRecord(id="parent", name=TREE, state="succeeded", key="tree/0", result="3")
    child = evolve(parent, id="child", key="tree/0/0", result="1", parent="parent")
    return [parent, child, evolve(child, id="other", key="tree/0/1")]


def step(what: str, job: str) -> Entry:
    return Entry(what, job, None, 1, 0, 0, 0, due=0.0, lease_left=None, monotonic=0.0)


def wrong_sum(jobs: Jobs) -> Jobs:
    return [evolve(jobs[0], result="2"), *jobs[1:]]


def child_missing(jobs: Jobs) -> Jobs:
    return jobs[:2]


def child_twice(jobs: Jobs) -> Jobs:
    return [*jobs, evolve(jobs[1], id="again")]


def result_of_a_failed_job(jobs: Jobs) -> Jobs:
    return [evolve(jobs[0], state="failed"), *jobs[1:]]


def test_a_tree_that_has_succeeded_is_right() -> None:
    ends = [step("succeeded", job.id) for job in reversed(tree())]
    assert not [*violations(tree(), ends)]


@pytest.mark.parametrize(
    "change", [wrong_sum, child_missing, child_twice, result_of_a_failed_job]
)
def test_wrong_results_and_children_are_found(change: Callable[[Jobs], Jobs]) -> None:
    assert [*violations(change(tree()), [])]


@pytest.mark.parametrize(
    ("steps", "is_right"),
    [
        (["cancelled"], True),
        (["reserved", "cancelled"], True),
        (["released", "cancelled"], False),
        (["reserved", "released", "reserved", "succeeded"], False),
        (["stored", "reserved", "succeeded"], False),
    ],
)
def test_a_child_that_goes_on_after_its_parent_is_found(
    steps: Sequence[str], *, is_right: bool
) -> None:
    later = [step(what, "child") for what in steps]
    found = [*violations(tree(), [step("succeeded", "parent"), *later])]
    assert (not found) == is_right
