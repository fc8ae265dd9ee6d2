"""Errors of stores, and of applications that have ended."""

from bgjobs.errors.definitions import BgJobsError


class NotRunningError(BgJobsError, RuntimeError):
    """A `BgJobs` or `Client` was used after its block, or a scheduled job after its removal.

    Nothing was stored. A handler that lets this error out while its application stops spends no
    attempt: its job is released, and runs again.
    """

    def __init__(self, removed: str | None = None) -> None:
        self.removed = removed
        """The name of the removed scheduled job; None if the whole `BgJobs` has stopped."""
        super().__init__(removed)

    def __str__(self) -> str:
        if self.removed is not None:
            return f"scheduled job {self.removed!r} was removed: look up or add another one"
        return "this BgJobs or Client has ended: use it inside its 'async with' block"


class LeaseLostError(BgJobsError):
    """A queue could not renew its lease in time, so it stops and is restarted.

    No call raises this error; it is the `error` of a `ChildCrashed` event. The monitor releases
    the jobs that the queue held, and they run again.
    """

    def __init__(self, queue: str, reason: str = "") -> None:
        self.queue = queue
        self.reason = reason
        """The error of the last renewal, as text; empty if there was none."""
        super().__init__(queue, reason)

    def __str__(self) -> str:
        text = f"queue {self.queue!r}: the lease could not be renewed in time"
        return f"{text}; the last try: {self.reason}" if self.reason else text


class StoreError(BgJobsError):
    """The database refused a statement; ``__cause__`` is the error of the driver."""


class StoreUnavailableError(StoreError):
    """The database cannot be reached, is busy, or closed the connection.

    A retry may succeed. It may be unknown whether the last statement took effect; bgjobs writes
    so that repeating a write does not store anything twice.
    """


class RowRefusedError(StoreError):
    """The database refused a value or a row.

    It does so because of a constraint, a type, a limit or a trigger. Nothing of the call was
    stored. The other rows of the call may be accepted without this one.
    """


class SchemaMismatchError(StoreError):
    """The schema in the database has another version than this version of bgjobs needs.

    Nothing was stored. Migrate an older schema; for a newer one, upgrade the program.
    """

    def __init__(self, store: str, found: int, expected: int) -> None:
        self.store = store
        self.found = found
        self.expected = expected
        super().__init__(store, found, expected)

    def __str__(self) -> str:
        if self.found > self.expected:
            advice = "it was made by a newer version of bgjobs: upgrade this program"
        else:
            advice = "run store.migrate(), or let Config(migrate=True) do it at start"
        return (
            f"{self.store}: expected schema version {self.expected}, "
            f"found {self.found}; {advice}"
        )


class ForkedStoreError(StoreError):
    """A store that was opened before a fork was used in the child process.

    Nothing was stored. Open another store in the child process.
    """

    def __init__(self, store: str, opened_in: int, used_in: int) -> None:
        self.store = store
        self.opened_in = opened_in
        self.used_in = used_in
        super().__init__(store, opened_in, used_in)

    def __str__(self) -> str:
        return (
            f"{self.store}: opened in process {self.opened_in}, used in its fork "
            f"{self.used_in}; open a store of its own in the child"
        )
