"""One write that waits for `GroupCommit`, and the check of what a store returned."""

from collections.abc import Collection, Sequence
from typing import Any, final

from anyio import Event
from attrs import define, evolve, field

from bgjobs._core.jobs import Reservation
from bgjobs._core.settlements import Settlement
from bgjobs.errors import StoreError, StoreUnavailableError
from bgjobs.stores.types import NewJob, Written


@final
@define(eq=False)
class Ticket:
    """A write of one caller, and its result."""

    enqueue: Sequence[NewJob] = ()
    settle: Sequence[Settlement] = ()
    done: Event = field(factory=Event)
    written: Written | None = None
    error: BaseException | None = None
    failure: StoreUnavailableError | None = None
    """Why the last try failed."""
    refused: dict[Reservation, Exception] = field(factory=dict[Reservation, Exception])
    """The settlements, of several, that the store refused; the others are written."""
    repeated: bool = False
    """Whether an earlier try may have been committed although its answer was lost."""
    withdrawn: bool = False
    """Whether its caller no longer waits."""
    announced: Collection[str] = ()
    """The workers of whose new jobs other processes are notified right after this write."""

    def fail(self, error: BaseException) -> None:
        """Raise an error in the caller that waits."""
        self.error = error
        self.done.set()

    def repeat(self, failure: StoreUnavailableError | None = None) -> None:
        """Prepare it to be written once more; `failure` if the store was unavailable."""
        self.repeated = True
        self.failure = failure or self.failure
        self.error = None
        self.enqueue = [evolve(new, repeated=True) for new in self.enqueue]

    @property
    def names(self) -> set[str]:
        """The workers whose jobs it stores."""
        return {new.request.name for new in self.enqueue}

    @property
    def goes_alone(self) -> bool:
        """Whether it is written in a batch of its own.

        It has failed before, and may wait for a unique key that no other ticket needs.
        """
        return self.repeated and any(
            new.request.options.unique_key is not None for new in self.enqueue
        )

    def measure(self) -> tuple[int, int, bool] | None:
        """Return how many rows and characters of payload it writes, and `goes_alone`.

        None if that failed the ticket: a request that was made without its checks may raise
        anything here, and the error is raised in its caller alone.
        """
        try:
            rows = len(self.enqueue) + len(self.settle)
            characters = sum(len(new.request.payload) for new in self.enqueue)
            goes_alone = self.goes_alone
        except Exception as error:  # noqa: BLE001 - whatever its attributes raise
            self.fail(error)
            return None
        return rows, characters, goes_alone


def answer_error(written: Any, count: int, label: str) -> StoreError | None:
    """Return the error if `Store.write` returned something else. Any: users write stores."""
    is_right = isinstance(written, Written)
    if is_right and len(written.jobs) == count:
        return None
    found = f"{len(written.jobs)} of them" if is_right else type(written).__name__
    return StoreError(f"{label}: write: expected Written with {count} jobs, found {found}")
