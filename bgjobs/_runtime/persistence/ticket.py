"""One write that waits for `GroupCommit`, and what the store has answered to it."""

from collections.abc import Sequence
from typing import Any, Protocol

from anyio import Event
from attrs import define, evolve, field

from bgjobs._core.jobs import Reservation
from bgjobs._core.settlements import Report, Settlement
from bgjobs._runtime.persistence.sent_call import SentCall
from bgjobs._runtime.persistence.waiter import Waiter
from bgjobs.errors import StoreError, StoreUnavailableError
from bgjobs.stores.types import NewJob, Notice, Written

WRITTEN = Written((), ())
"""The answer to most ends of runs."""


class ReportSource(Protocol):
    """The progress that the handler of a job reports."""

    @property
    def reservation(self) -> Reservation:
        """The reservation of the job."""
        ...

    def newest(self) -> Report:
        """Return the newest report, which is written now."""
        ...


@define(eq=False)
class Ticket:
    """A write, and its answer. A task waits for `done`, or a subclass takes the answer."""

    enqueue: Sequence[NewJob]
    settlement: Settlement | None
    done: Event | Waiter | SentCall[Written] | None = field(default=None, init=False)
    answer: Written | BaseException | None = field(default=None, init=False)
    """None until it is known; the error of a write that was refused."""
    failure: StoreUnavailableError | None = field(default=None, init=False)
    """Why the last try failed."""
    repeated: bool = field(default=False, init=False)
    """Whether an earlier try may have been committed although its answer was lost."""
    announced: Notice | None = field(default=None, init=False)
    """The notice of its new jobs, which is sent right after this write."""
    progress: ReportSource | None = field(default=None, init=False)
    """The progress that is written before its settlement."""
    result_size: int = field(default=0, init=False)
    """Characters of the result that it stores with its end."""

    @property
    def withdrawn(self) -> bool:
        """Whether nothing waits for it, so that it is not begun."""
        return self.done is None

    def take(self, answer: Written | BaseException) -> None:
        """Take the answer. `GroupCommit` calls this once, on the event loop.

        An error that it raises ends `GroupCommit.run`, after the answers of the same batch.
        """
        self.answer = answer
        self.withdraw()

    def withdraw(self) -> None:
        """End the wait for it, if a task waits."""
        done, self.done = self.done, None
        if done is not None:
            done.set()

    def repeat(self, failure: StoreUnavailableError | None = None) -> None:
        """Prepare it to be written once more; `failure` if the store was unavailable."""
        self.repeated = True
        self.failure = failure or self.failure
        self.enqueue = [evolve(new, repeated=True) for new in self.enqueue]

    @property
    def names(self) -> set[str]:
        """The workers whose jobs it stores."""
        return {new.request.name for new in self.enqueue}

    def measure(self) -> tuple[int, int, bool] | None:
        """Return how many rows and characters it writes, and whether in a batch of its own.

        That is so if it has failed before, and may wait for a unique key that no other ticket
        needs. None if this was its end: a request that was made without its checks may raise
        anything here, and the error is raised in its caller alone.
        """
        try:
            rows = len(self.enqueue) + (self.settlement is not None)
            payloads = sum(len(new.request.payload) for new in self.enqueue)
            characters = payloads + self.result_size
            goes_alone = self.repeated and any(
                new.request.options.unique_key is not None for new in self.enqueue
            )
        except Exception as error:  # noqa: BLE001 - whatever its attributes raise
            self.take(error)
            return None
        return rows, characters, goes_alone


def answer_error(written: Any, count: int, label: str) -> StoreError | None:
    """Return the error if `Store.write` returned something else. Any: users write stores."""
    is_right = isinstance(written, Written)
    if is_right and len(written.jobs) == count:
        return None
    found = f"{len(written.jobs)} of them" if is_right else type(written).__name__
    return StoreError(f"{label}: write: expected Written with {count} jobs, found {found}")
