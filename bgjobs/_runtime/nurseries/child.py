"""`ChildJob`: what a nursery returns for each job that it starts."""

from collections.abc import Awaitable, Callable
from typing import Any, Generic, final
from uuid import UUID

from anyio import Event

from bgjobs._core.generics import R_co
from bgjobs._core.jobs import AnyJob, EndedJob, Job
from bgjobs._runtime.persistence.results import result_of


@final
class ChildJob(Generic[R_co]):
    """A job that a nursery has started, or that an earlier run of the handler had started.

    `R_co` is the type of its result, if its worker keeps results.
    """

    def __init__(
        self, job: AnyJob[R_co], key: str, wait: "Callable[[ChildJob[Any]], Awaitable[None]]"
    ) -> None:
        self._job: AnyJob[R_co] = job
        self._wait = wait
        self.key: str = key
        """What identifies it among the children of its parent, in every run of the handler."""
        self.ended: Event = Event()
        """Set when the nursery has noticed that it has ended."""
        if not isinstance(job, Job):
            self.ended.set()

    def __repr__(self) -> str:
        return f"<ChildJob {self._job.id} of worker {self._job.name!r}, {self._job.state}>"

    @property
    def id(self) -> UUID:
        """The id of the job."""
        return self._job.id

    @property
    def name(self) -> str:
        """The name of its worker."""
        return self._job.name

    @property
    def job(self) -> AnyJob[R_co]:
        """The job as it was stored, or, after its nursery or `wait` has ended, as it ended."""
        return self._job

    @property
    def result(self) -> R_co:
        """What the handler of the child returned.

        Raises:
            RuntimeError: It is not known that the child has ended: leave the block of the
                nursery, or await `wait`, before.
            JobFailedError: The child has failed.
            JobCancelledError: The child was cancelled.
            TypeError: Its worker keeps no results.
            ResultError: The stored result does not fit the annotation of the worker.
        """
        if isinstance(self._job, Job):
            raise RuntimeError(  # noqa: TRY004 - it was asked too early
                f"child job {self.id} of worker {self.name!r}: its result is known after the "
                "block of its nursery, or after 'await child.wait()'"
            )
        result: R_co = result_of(self._job)
        return result

    async def wait(self) -> None:
        """Wait until this child has ended, while the block of the nursery goes on.

        The slot of the handler runs other jobs meanwhile. If the child ends without success,
        the nursery cancels its block, unless it was opened with ``cancel_on_failure=False``;
        then this returns. Cancelling the wait does not change the child.
        """
        await self._wait(self)

    def end(self, job: EndedJob[Any]) -> None:
        """Record how the child ended; its nursery calls this."""
        self._job = job
        self.ended.set()
