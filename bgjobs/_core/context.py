"""`JobContext`, which gives a handler access to the job that it runs."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, cast, final

from attrs import field, frozen

from bgjobs._core.generics import Resources_co
from bgjobs._core.jobs import Job
from bgjobs._core.lazy import check_plain_function
from bgjobs._core.occurrences import Occurrence

if TYPE_CHECKING:  # the runtime imports this module
    from bgjobs._runtime.client import Client


class ClientSource(ABC):
    """Makes the client of a context when a handler asks for it, as most handlers never do."""

    __slots__ = ()

    @property
    @abstractmethod
    def client(self) -> "Client":
        """The client."""


@final
@frozen(eq=False)
class JobContext(Generic[Resources_co]):
    """The running job. A handler gets it as a first parameter annotated `JobContext`.

    `JobContext[Resources]` has resources of that type. In a unit test, make one yourself:
    ``JobContext(job, resources=fake)``.
    """

    job: Job
    """The job, as it was reserved for this attempt."""
    deadline: datetime | None = None
    """When the timeout of the worker cancels this attempt; None without a timeout."""
    # Any: without a lifespan they are None, and the annotation of the handler is checked.
    _resources: Resources_co = field(
        default=cast("Any", None), alias="resources", kw_only=True, repr=False
    )
    _client: "Client | ClientSource | None" = field(
        default=None, alias="client", kw_only=True, repr=False
    )
    completions: list[Callable[[Any], object]] = field(
        factory=list[Callable[[Any], object]], init=False, repr=False
    )
    """The functions given to `complete_with`, in the order of the calls."""

    @property
    def resources(self) -> Resources_co:
        """What `Config.lifespan` has yielded; None without a lifespan."""
        return self._resources

    @property
    def client(self) -> "Client":
        """A client of the application: it enqueues jobs, finds them, and waits for them.

        Use it while the handler runs, also in the grace of an application that stops. While a
        handler waits in ``context.client.wait_for(job)``, its queue runs another job in its
        place, so a handler may wait for a job of its own queue, whatever its `concurrency`. The
        timeout of the worker goes on meanwhile.

        A plain handler runs in a thread, and calls async methods by
        ``anyio.from_thread.run(context.client.enqueue, request)``.

        Raises:
            RuntimeError: This context was made by hand, without a client.
        """
        client = self._client
        if client is None:
            raise RuntimeError(
                "this JobContext has no client, as no queue made it: "
                "pass JobContext(job, client=...)"
            )
        return client.client if isinstance(client, ClientSource) else client

    @property
    def attempt(self) -> int:
        """The number of this attempt, counted from 1.

        It grows when a handler raises. A run after a crash, an interruption or a `Snooze` has
        the same number as the run before it.
        """
        return self.job.attempts + 1

    @property
    def occurrence(self) -> Occurrence | None:
        """The occurrence of the schedule that this run serves; None without a schedule.

        ``occurrence.at`` is its time, and ``occurrence.previous`` the time of the one before.
        """
        return self.job.occurrence

    def complete_with(self, work: Callable[[Any], None]) -> None:
        """Run ``work(connection)`` in the transaction that completes this job.

        What `work` writes is committed if and only if the job is stored as succeeded, so it is
        written **exactly once**. It is called after the handler returned, in a worker thread,
        with the `sqlite3.Connection` or `psycopg.Connection` of the store. It is not called if
        the attempt fails or the reservation is lost.

        It must be quick, and must not commit, roll back or close the connection. If it does so,
        if it raises, or if it returns a coroutine or a generator, the attempt fails, and what
        it wrote is rolled back; on PostgreSQL, what it committed itself is not.

        Args:
            work: A plain function of the connection. With several calls of `complete_with`, the
                functions run in the order of the calls, in one transaction.

        Raises:
            TypeError: `work` is an async function, a generator function or not a function.
        """
        check_plain_function("complete_with", work)
        self.completions.append(work)
