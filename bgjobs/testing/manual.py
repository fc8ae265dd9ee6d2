"""What a handler is given by `run_one` and `check_repeatable`, without an application."""

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from math import inf
from typing import Any, TypeVar, final
from uuid import UUID

from anyio import CapacityLimiter

from bgjobs._core.clock import Clock
from bgjobs._core.config import AnyWorker, Config
from bgjobs._core.jobs import EndedJob, Job
from bgjobs._core.middleware import Middleware
from bgjobs._core.payloads.annotations import annotation_text
from bgjobs._core.requests import JobRequest
from bgjobs._core.resources import fits
from bgjobs._runtime.admin.admin import Admin
from bgjobs._runtime.client import Client
from bgjobs._runtime.connection import bus_of
from bgjobs._runtime.notifications.wakeups import Wakeup
from bgjobs._runtime.persistence.enqueue import enqueue_for_any
from bgjobs._runtime.queues.attempt import Environment
from bgjobs._runtime.queues.progress import ProgressChannel
from bgjobs._runtime.services import ClientServices
from bgjobs._runtime.task_groups import run_beside
from bgjobs.stores.port import Store

R = TypeVar("R")


@final
class ManualClient(Client):
    """A client of a store whose jobs no queue runs. It enqueues jobs of any worker."""

    async def enqueue_many(self, requests: Iterable[JobRequest[R]]) -> Sequence[Job[R]]:
        """Store many jobs in one transaction, also of workers that are not known here."""
        self._services.lifecycle.check()
        return await enqueue_for_any(self._services, requests)

    async def _wait_for_end(self, job_id: UUID, ended: Wakeup) -> EndedJob[Any]:  # noqa: ARG002 - nothing ends it
        raise RuntimeError(
            f"wait_for: job {job_id} has not ended, and no queue runs it in a test of one job; "
            "use run_virtual"
        )


@asynccontextmanager
async def manual_environment(
    worker: AnyWorker,
    store: Store,
    clock: Clock,
    resources: object,
    middleware: tuple[Middleware, ...] = (),
) -> AsyncGenerator[Environment]:
    """Yield what attempts need, over an open store, which is called on the event loop."""
    config = Config(store=store, clock=clock, enqueue_only=[worker])
    services = ClientServices(config, bus_of(config))
    client = ManualClient(services, Admin(services))
    async with run_beside(services.enqueues.run, stop=services.enqueues.finish):
        try:
            yield Environment(
                threads=CapacityLimiter(inf),
                progress=ProgressChannel(clock, clock.now, _keep, _keep),
                resources=resources,
                client_of=lambda _: client,
                cancelled=lambda _: None,
                report_callback=_raise,
                middleware=middleware,
            )
        finally:
            services.lifecycle.ended = True


def _keep(*_: object) -> None:
    """Write no progress before the end of the attempt."""


def _raise(job: Job, callback: str, error: BaseException) -> None:  # noqa: ARG001 - the runtime's
    raise error


def check_given(worker: AnyWorker, resources: object) -> None:
    """Raise `TypeError` if a handler expects resources and there are none.

    Others are not checked, because tests pass objects that only look like the real ones.
    """
    if resources is None and worker.resources is not None and not fits(None, worker.resources):
        expected = annotation_text(worker.resources)
        raise TypeError(
            f"resources: worker {worker.name!r} expects {expected}, found None; "
            "pass resources=..."
        )
