"""The descendants of a job as a graph of links and as a table."""

import re
from typing import Any
from uuid import UUID

import pytest

import bgjobs
from bgjobs.web.present.job_graph import MOST_NODES, job_graph
from tests.unit.web.present.lives import SHARED, T0, at
from tests.unit.web.present.markup import HOSTILE, read, shown

ENDED: dict[str, tuple[Any, dict[str, Any]]] = {
    "succeeded": (bgjobs.SucceededJob, {"reserved_at": T0, "succeeded_at": at(1)}),
    "failed": (bgjobs.FailedJob, {"error": "x", "failed_at": at(1)}),
    "cancelled": (bgjobs.CancelledJob, {"reason": "x", "cancelled_at": at(1)}),
}
STATES = ("waiting", "delayed", "running", *ENDED)
GONE = "deleted or unreadable"


def node(
    number: int, *children: bgjobs.JobTree, state: str = "waiting", name: str = "part"
) -> bgjobs.JobTree:
    """Return a job of a state whose id begins with a number."""
    job_id = UUID(int=number << 96)
    kind, more = ENDED.get(state, (bgjobs.Job, {"state": state}))
    if state in ENDED:
        more = {"reserved_by": UUID(int=2), **more}
    job = kind(**{**SHARED, "id": job_id, "name": name, **more})
    return bgjobs.JobTree(job_id, job, children)


def graph(tree: bgjobs.JobTree) -> str:
    return str(job_graph(tree, lambda one: f"/jobs/{one}"))


def picture(tree: bgjobs.JobTree) -> str:
    return graph(tree).partition("<details")[0]


def chain(length: int) -> bgjobs.JobTree:
    tree = node(length)
    for number in range(length - 1, 0, -1):
        tree = node(number, tree)
    return tree


def test_a_job_without_children_has_no_graph() -> None:
    assert graph(node(1)) == ""


def test_a_parent_and_its_child() -> None:
    tree = node(1, node(2, state="succeeded", name="page"), state="running", name="book")
    ids = [str(one.id) for one in tree]
    assert picture(tree) == (
        '<figure class="chart"><figcaption>1 descendant: 1 succeeded</figcaption>'
        '<svg class="graph-picture" viewBox="0 0 360 56" role="group">'
        "<title>1 descendant: 1 succeeded</title>"
        '<path class="graph-edge" d="M6 19V42H19"/>'
        f'<a class="graph-node" href="/jobs/{ids[0]}"><title>book, running, {ids[0]}</title>'
        '<path class="graph-ground" d="M1 1h358v26h-358z"/>'
        '<path class="graph-running" d="M1 14a5 5 0 1 0 10 0a5 5 0 1 0 -10 0"/>'
        '<text class="chart-label" x="16" y="12" text-anchor="start">book</text>'
        '<text class="chart-label" x="16" y="23" text-anchor="start">running · 00000001</text>'
        f'</a><a class="graph-node" href="/jobs/{ids[1]}"><title>page, succeeded, {ids[1]}'
        '</title><path class="graph-ground" d="M19 29h340v26h-340z"/>'
        '<path class="graph-succeeded" d="M19 37h10v10h-10z"/>'
        '<path class="mark" d="M21 42l2.4 2.4l3.6 -4.8"/>'
        '<text class="chart-label" x="34" y="40" text-anchor="start">page</text>'
        '<text class="chart-label" x="34" y="51" text-anchor="start">succeeded · 00000002'
        "</text></a></svg>"
    )
    read(graph(tree))


def test_each_state_has_a_shape_or_a_mark_of_its_own() -> None:
    gone = bgjobs.JobTree(UUID(int=99), None)
    shapes: set[str] = set()
    for child in (*(node(2, state=state) for state in STATES), gone):
        drawn = picture(node(1, child))
        *_, last = re.findall(r'graph-ground" d="[^"]*"/>(.*?)<text', drawn)
        shapes.add(re.sub(r'class="graph-(?!unknown)[a-z]+"', "", last))
    assert len(shapes) == len(STATES) + 1


def test_the_title_counts_the_states() -> None:
    children = [node(2 + index, state=state) for index, state in enumerate(STATES)]
    tree = node(1, *children, bgjobs.JobTree(UUID(int=99), None), state="failed")
    assert "<title>7 descendants: 1 running, 1 waiting, 1 delayed, 1 failed, " in graph(tree)
    assert f"1 succeeded, 1 {GONE}</title>" in graph(tree)
    assert f"<title>not known, {GONE}, {UUID(int=99)}</title>" in graph(tree)


def test_edges_lead_from_each_parent_to_its_children() -> None:
    tree = node(1, node(2, node(3), node(4)), node(5))
    assert re.findall(r'class="graph-edge" d="([^"]*)"', graph(tree)) == [
        "M6 19V42H19",
        "M24 47V70H37",
        "M24 47V98H37",
        "M6 19V126H19",
    ]


def test_the_table_has_the_facts_of_the_graph() -> None:
    found = graph(node(1, node(2, node(3, state="failed", name="leaf"))))
    start, end = found.index("<details"), found.index("</figure>")
    table = shown(found[start:end])
    assert table == (
        "As a tableWorkerStateJobChild ofStartedEndedpartwaiting00000001"
        "partwaiting0000000200000001leaffailed00000003000000022030-01-01 00:00:01 UTC"
    )


def test_ids_are_as_long_as_they_have_to_be() -> None:
    child = bgjobs.JobTree(UUID(int=1 << 64), None)
    found = graph(bgjobs.JobTree(UUID(int=2 << 64), node(1).job, (child,)))
    assert f"waiting · {'0' * 15}2<" in found
    assert f"{GONE} · {'0' * 15}1<" in found


def test_a_tree_that_was_cut_says_so() -> None:
    tree = node(1, node(2))
    whole, cut = (
        graph(tree),
        graph(bgjobs.JobTree(tree.id, tree.job, tree.children, is_cut=True)),
    )
    assert "More descendants are not shown." not in whole
    assert "More descendants are not shown." in shown(cut)
    assert "<title>The first 1 descendant: 1 waiting</title>" in cut


@pytest.mark.parametrize(
    "tree",
    [node(1, *(node(2 + index) for index in range(200))), chain(200)],
    ids=["wide", "deep"],
)
def test_of_a_large_tree_fifty_jobs_are_shown(tree: bgjobs.JobTree) -> None:
    found = graph(tree)
    assert found.count('class="graph-node"') == MOST_NODES
    assert "The first 49 descendants: 49 waiting" in found
    assert "More descendants are not shown." in shown(found)


def test_a_deep_tree_stays_inside_its_picture() -> None:
    found = picture(chain(MOST_NODES))
    box = re.search(r'viewBox="0 0 ([0-9.]+) ([0-9.]+)"', found)
    assert box is not None
    assert float(box[1]) == 49 * 8 + 220
    for x, width in re.findall(r'graph-ground" d="M([0-9.]+) [0-9.]+h([0-9.]+)', found):
        assert 0 <= float(x) < float(x) + float(width) <= float(box[1])
    starts = re.findall(r'graph-edge" d="M([0-9.]+) [0-9.]+V[0-9.]+H([0-9.]+)', found)
    assert all(float(x) < float(end) for x, end in starts)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_name_stays_text(text: str) -> None:
    read(graph(node(1, node(2, name=text), name=text)))


def test_names_of_a_megabyte_have_bounded_markup() -> None:
    name = "<\u202e" * 500_000
    found = graph(node(1, *(node(2 + index, name=name) for index in range(49)), name=name))
    read(found)
    assert len(found) < 500_000
