"""How long until a job is due, and how long one has been."""

from datetime import timedelta

import pytest

import bgjobs
from tests.runtime.conftest import Harness

pytestmark = pytest.mark.anyio


@bgjobs.worker
async def mail(to: str) -> None: ...


async def test_it_says_how_long_the_first_one_waits_or_has_waited(app: Harness) -> None:
    async with bgjobs.run(app.config(mail)) as bg:
        bg.queue("default").pause()
        assert await bg.next_due() is None
        await bg.enqueue(mail.request("a").available_in(days=1))
        wait = await bg.next_due()
        assert wait is not None
        assert timedelta(hours=23) < wait <= timedelta(days=1)
        await bg.enqueue(mail.request("b"))
        waited = await bg.next_due()
        assert waited is not None
        assert -timedelta(hours=1) < waited <= timedelta(0)
    with pytest.raises(bgjobs.errors.NotRunningError):
        await bg.next_due()
