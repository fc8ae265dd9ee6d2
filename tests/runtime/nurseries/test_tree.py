"""A job with its descendants: `Client.tree`."""

import pytest

import bgjobs
from bgjobs._core.ids import new_id
from bgjobs.errors import UnknownJobError
from tests.runtime.conftest import Harness
from tests.runtime.nurseries.families import double, fibonacci

pytestmark = pytest.mark.anyio


async def test_it_has_all_descendants(app: Harness) -> None:
    async with bgjobs.run(app.config(fibonacci, double)) as bg:
        job = await bg.enqueue(fibonacci.request(3))
        await bg.wait_for(job)
        tree = await bg.tree(job)
        assert (tree.id, tree.is_cut, len([*tree])) == (job.id, False, 5)
        left, right = tree.children
        assert [len(one.children) for one in (left, right)] == [2, 0]
        assert {one.job.state for one in tree if one.job is not None} == {"succeeded"}


async def test_a_large_tree_is_cut_after_the_first_levels(app: Harness) -> None:
    async with bgjobs.run(app.config(fibonacci, double)) as bg:
        job = await bg.enqueue(fibonacci.request(4))
        await bg.wait_for(job)
        tree = await bg.tree(job.id, most=4)
        assert (tree.is_cut, len([*tree]), len(tree.children)) == (True, 4, 2)
        whole = await bg.tree(job.id, most=9)
        assert (whole.is_cut, len([*whole])) == (False, 9)


async def test_a_job_without_children_is_alone(app: Harness) -> None:
    async with bgjobs.run(app.config(double)) as bg:
        job = await bg.enqueue(double.request(1))
        assert (await bg.tree(job)).children == ()


async def test_an_unknown_job_is_refused(sqlite_app: Harness) -> None:
    async with bgjobs.run(sqlite_app.config(double)) as bg:
        with pytest.raises(UnknownJobError):
            await bg.tree(new_id())
        with pytest.raises(ValueError, match="tree: most: expected"):
            await bg.tree(new_id(), most=0)
