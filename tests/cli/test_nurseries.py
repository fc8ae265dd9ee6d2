"""Jobs with children on the command line: waits, parents, and what is cancelled with them."""

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

import bgjobs
from bgjobs._core.ids import new_id
from bgjobs._core.settlements import Succeed
from bgjobs.stores.nurseries import NewChild, nurseries_of
from bgjobs.stores.types import NewJob, Owner
from bgjobs.testing.contract.steps import requeue
from tests.cli.conftest import Call
from tests.fixtures.stores import opened
from tests.web.families import held, running, start


def family(folder: Path) -> Sequence[UUID]:
    """Store a job that waits for its children: one that succeeded and one with a child."""
    with opened(bgjobs.SQLiteStore(folder / "shop.db")) as store:
        nurseries = nurseries_of(store)
        assert nurseries is not None
        parent = running(store, "slow")
        first, second = start(store, parent, "purge", "page")
        assert not store.write(settle=[Succeed(held(store, "purge").reservation)]).lost
        [leaf] = start(store, held(store, "page"), "line")
        nurseries.record_waits([parent.reservation])
    return parent.id, first, second, leaf


def test_waiting_handlers_are_counted_apart(call: Call, shop: Path) -> None:
    family(shop)
    [default, mail] = call("queues", "--json").json
    assert (default["waiting_for_children"], mail["waiting_for_children"]) == (0, 1)
    head, *rows = call("queues").out.splitlines()
    assert "running  for children  succeeded" in head
    assert [row.split()[0] for row in rows] == ["default", "mail"]
    status = call("status")
    assert " 1 running, 1 waiting for children, " in status.out
    jobs = call("status", "--json").json["jobs"]
    assert (jobs["running"], jobs["waiting_for_children"]) == (2, 1)
    owners = call("owners", "--json").json
    assert sorted(one["waiting_for_children"] for one in owners) == [0, 0, 1]
    assert "for children" in call("owners").out.splitlines()[0]


def test_without_waits_there_is_no_column(call: Call) -> None:
    for command in ("queues", "status", "owners", "watch --count 1", "jobs list"):
        assert "children" not in call(*command.split()).out, command


def test_the_watch_lists_waiting_handlers_apart(call: Call, shop: Path) -> None:
    parent, _, second, _ = family(shop)
    answer = call("watch", "--count", "1", "--json")
    found = json.loads(answer.out)
    assert [one["id"] for one in found["running"]] == [str(second)]
    [waits] = found["waiting_for_children"]
    assert waits["id"] == str(parent)
    assert waits["waits_for_children_since"] > waits["reserved_at"]
    assert found["jobs"]["waiting_for_children"] == 1
    assert "1 running, 1 waiting for children" in call("watch", "--count", "1").out


def test_a_list_says_which_jobs_wait(call: Call, shop: Path) -> None:
    parent, _, second, _ = family(shop)
    jobs = {one["id"]: one for one in call("jobs", "list", "--running", "--json").json}
    assert jobs[str(parent)]["waits_for_children_since"]
    assert jobs[str(second)]["waits_for_children_since"] is None
    head, *_ = call("jobs", "list", "--running").out.splitlines()
    assert "waits for children" in head


def test_a_job_shows_for_how_many_children_it_waits(call: Call, shop: Path) -> None:
    parent, first, second, leaf = family(shop)
    text = call("jobs", "show", str(parent)).out
    assert "running, waits for 1 of 2 children" in text
    whole = call("jobs", "show", str(parent), "--json").json
    assert whole["waits_for_children_since"] == whole["timeline"][-1]["at"]
    assert [(one["what"], one["child"]) for one in whole["timeline"]] == [
        *(("enqueued", None), ("attempt 1 reserved", None)),
        *(("child started", str(first)), ("child succeeded", str(first))),
        *(("child started", str(second)), ("waits for children", None)),
    ]
    assert whole["parent"] is None
    shown = call("jobs", "show", str(leaf), "--json").json
    assert (shown["parent"], shown["parent_id"]) == ("job", str(second))
    assert str(second) in call("jobs", "show", str(leaf)).out


def orphan(folder: Path, owner: Owner) -> UUID:
    """Store a child of a nursery of an application."""
    with opened(bgjobs.SQLiteStore(folder / "shop.db")) as store:
        store.open_owner(owner, timedelta(hours=1))
        nurseries = nurseries_of(store)
        assert nurseries is not None
        new = NewChild("a", NewJob(new_id(), bgjobs.JobRequest("page", "{}")))
        [child] = nurseries.start_children(owner.id, [new]) or ()
    return child.id


def test_the_nursery_of_an_application_is_named_as_a_parent(call: Call, shop: Path) -> None:
    owner = Owner(new_id(), "nursery", "host:7")
    child = str(orphan(shop, owner))
    assert f"{owner.id}, the nursery of an application on host:7" in (
        call("jobs", "show", child).out
    )
    assert call("jobs", "show", child, "--json").json["parent"] == "application"


def test_a_parent_that_was_deleted_is_said_to_be_gone(call: Call, shop: Path) -> None:
    parent, first, *_ = family(shop)
    with opened(bgjobs.SQLiteStore(shop / "shop.db")) as store:
        job = store.find(parent)
        assert isinstance(job, bgjobs.Job)
        store.write(settle=[Succeed(job.reservation)])
        assert store.operations.delete([parent]) == [parent]
    assert f"{parent}, not stored any more" in call("jobs", "show", str(first)).out
    assert call("jobs", "show", str(first), "--json").json["parent"] is None


def test_a_cancellation_says_what_it_takes_along(call: Call, shop: Path) -> None:
    parent, first, second, leaf = family(shop)
    tried = call("jobs", "cancel", str(parent), str(leaf), str(first), "--dry-run")
    assert tried.out.splitlines() == [
        f"would change {parent}: running, and its 2 live descendants",
        f"would change {leaf}: waiting",
        f"would refuse {first}: succeeded",
    ]
    answer = call("jobs", "cancel", str(parent), str(second))
    assert answer.out.splitlines() == [
        f"asked the process that runs it to cancel {one}, and its {more}"
        for one, more in sorted([(parent, "2 live descendants"), (second, "1 live descendant")])
    ]


@pytest.mark.parametrize("with_json", [False, True])
def test_what_ended_with_a_waiting_parent_is_counted(
    call: Call, shop: Path, *, with_json: bool
) -> None:
    parent, _, second, leaf = family(shop)
    with opened(bgjobs.SQLiteStore(shop / "shop.db")) as store:
        for one in (parent, second):
            job = store.find(one)
            assert isinstance(job, bgjobs.Job)
            assert not store.write(settle=[requeue(job)]).lost
    options = ["--json"] if with_json else []
    answer = call("jobs", "cancel", str(parent), *options)
    if with_json:
        assert answer.json == {
            "cancelled": sorted(map(str, (parent, second, leaf))),
            "asked": [],
            "refused": [],
            "descendants": {str(parent): 2},
        }
    else:
        assert answer.out == f"cancelled {parent}, and its 2 live descendants\n"
