"""The descendants of a job in `bgjobs jobs show`."""

from datetime import UTC, datetime
from io import StringIO

from rich.console import Console

import bgjobs
from bgjobs._core.ids import new_id
from bgjobs.cli.output import tree

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def node(name: str, *children: bgjobs.JobTree) -> bgjobs.JobTree:
    job = bgjobs.Job(
        id=new_id(), name=name, payload="{}", created_at=NOW, available_at=NOW, state="running"
    )
    return bgjobs.JobTree(job.id, job, children)


LEAF, DELETED = node("leaf"), bgjobs.JobTree(new_id(), None)
BRANCH = node("branch", LEAF, DELETED)
ROOT = node("root", BRANCH)


def test_each_descendant_is_drawn_below_its_parent() -> None:
    console = Console(file=StringIO(), width=100)
    with console.capture() as captured:
        console.print(tree.drawn(ROOT))
    head, *lines = [line.rstrip() for line in captured.get().splitlines()]
    assert head.split() == ["children", "worker", "state"]
    assert [line.split() for line in lines] == [
        [str(BRANCH.id), "branch", "running"],
        [str(LEAF.id), "leaf", "running"],
        [str(DELETED.id), "deleted"],
    ]
    assert [len(line) - len(line.lstrip()) for line in lines] == [0, 2, 2]


def test_json_has_the_children_of_each_job() -> None:
    [branch] = tree.as_json(ROOT)
    assert branch == {
        "id": str(BRANCH.id),
        "worker": "branch",
        "state": "running",
        "children": [
            {"id": str(LEAF.id), "worker": "leaf", "state": "running", "children": []},
            {"id": str(DELETED.id), "worker": None, "state": None, "children": []},
        ],
    }


def test_a_tree_yields_each_parent_before_its_children() -> None:
    assert [one.id for one in ROOT] == [ROOT.id, BRANCH.id, LEAF.id, DELETED.id]
