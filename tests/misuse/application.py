"""An application that gets all wrong arguments, and is restarted only if it ends."""

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from inspect import Parameter
from typing import Any

from anyio import fail_after
from anyio.from_thread import BlockingPortal, start_blocking_portal
from attrs import define, field

import bgjobs
from bgjobs._core.requests import JobRequest
from tests.fixtures.databases import Database
from tests.misuse.probe import PATIENCE, problems_of
from tests.misuse.public_api import Callee
from tests.misuse.values import greet

RUNTIME_TYPES = (
    bgjobs.Client,
    bgjobs.BgJobs,
    bgjobs.Admin,
    bgjobs.ScheduleControl,
    bgjobs.ScheduledJobControl,
    bgjobs.JobNursery,
)
"""The types that only a running application creates."""


@define(eq=False)
class Application:
    """An application in the event loop of a portal."""

    portal: BlockingPortal
    database: Database
    _results: list[Any] = field(factory=list[Any])
    """The next results of `before_enqueue`."""
    _running: tuple[Future[Any], bgjobs.BgJobs] | None = None

    def problems_of(self, callee: Callee) -> list[str]:
        """Return the problems of a function, and any damage to the application."""
        bg = self._started()
        controls = bg.admin.schedule("daily"), bg.scheduled_job("daily")
        nursery = self.portal.call(_left_nursery, bg)
        made = dict(zip(RUNTIME_TYPES, (bg, bg, bg.admin, *controls, nursery), strict=True))
        before = self.portal.call(bg.count)
        found: list[str] = self.portal.call(problems_of, callee, made)
        damage = self.portal.call(_damage, bg, before)
        if damage is not None:
            self.end()
            found.append(f"{callee.name}: {damage}")
        return found

    def problems_of_answers(self) -> list[str]:
        """Return the problems of wrong results of `before_enqueue`."""
        answer = Parameter("answer", Parameter.POSITIONAL_ONLY, annotation=JobRequest)
        return self.problems_of(Callee("before_enqueue", self._enqueue, None, [answer]))

    def end(self) -> None:
        """Stop the application, if it runs."""
        if self._running is not None:
            end, _ = self._running
            end.cancel()
            self._running = None

    def _started(self) -> bgjobs.BgJobs:
        if self._running is None:
            self._running = self.portal.start_task(bgjobs.serve, self._config())
            daily = bgjobs.ScheduledJob(greet, bgjobs.every(days=1), name="daily")
            self.portal.call(self._running[1].add_scheduled_job, daily)
        return self._running[1]

    def _config(self) -> bgjobs.Config:
        return bgjobs.Config(
            store=self.database.store(),
            queues=[bgjobs.Queue("default", workers=[greet])],
            before_enqueue=self._before_enqueue,
        )

    def _before_enqueue(self, request: JobRequest) -> JobRequest:
        answer: JobRequest = self._results.pop() if self._results else request
        return answer

    async def _enqueue(self, answer: JobRequest) -> None:
        self._results.append(answer)
        await self._started().enqueue(greet.request())


async def _left_nursery(bg: bgjobs.BgJobs) -> bgjobs.JobNursery:
    """Return a nursery whose block has ended: it checks arguments first, and starts no job."""
    async with bg.open_nursery() as nursery:
        return nursery


async def _damage(bg: bgjobs.BgJobs, before: bgjobs.Counts) -> str | None:
    """Return what a call has changed in the application, or None."""
    try:
        with fail_after(PATIENCE):
            after = await bg.count()
            await bg.wait_for(await bg.enqueue(greet.request()))
    except Exception as error:  # noqa: BLE001 - every error is damage
        return f"the application does not continue: {error!r}"
    return None if before == after else f"stored: {before} is now {after}"


@contextmanager
def application(backend: str, database: Database) -> Iterator[Application]:
    """Yield an application in another thread, so that tests share its event loop."""
    with start_blocking_portal(backend) as portal:
        made = Application(portal, database)
        try:
            yield made
        finally:
            made.end()
