"""What is said of the live descendants of a job."""

import pytest

import bgjobs
from bgjobs._core.ids import new_id
from bgjobs._core.job_tree import taken_along, waits_text
from tests.unit.web.present.lives import SHARED, at

LIVE: bgjobs.AnyJob = bgjobs.Job(**SHARED, state="running")
ENDED: bgjobs.AnyJob = bgjobs.CancelledJob(**SHARED, reason="x", cancelled_at=at(1))


def tree(
    job: bgjobs.AnyJob | None, *children: bgjobs.JobTree, is_cut: bool = False
) -> bgjobs.JobTree:
    return bgjobs.JobTree(new_id(), job, children, is_cut)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (tree(LIVE), ""),
        (tree(LIVE, tree(ENDED), tree(None)), ""),
        (tree(LIVE, tree(LIVE)), "its 1 live descendant"),
        (tree(LIVE, tree(ENDED), tree(LIVE, tree(LIVE))), "its 2 live descendants"),
        (tree(ENDED, tree(LIVE)), ""),
        (
            tree(LIVE, tree(LIVE), is_cut=True),
            "those of its 1,000 or more descendants that are live",
        ),
    ],
)
def test_live_descendants_of_a_live_job_are_counted(found: bgjobs.JobTree, words: str) -> None:
    assert taken_along(found) == words


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (tree(LIVE, tree(LIVE)), "waits for 1 of 1 child"),
        (tree(LIVE, tree(LIVE), tree(ENDED), tree(None)), "waits for 1 of 3 children"),
        (tree(LIVE, tree(LIVE, tree(LIVE)), is_cut=True), "waits for 1 of 1 child"),
        (tree(LIVE, tree(LIVE), tree(ENDED), is_cut=True), "waits for its children"),
    ],
)
def test_children_that_are_awaited_are_counted_if_all_are_known(
    found: bgjobs.JobTree, words: str
) -> None:
    assert waits_text(found) == words
