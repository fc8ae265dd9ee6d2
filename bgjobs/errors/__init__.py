"""The errors of bgjobs, as one tree.

The facts are attributes, and the message is built from them::

    BgJobsError
    |- ConfigError                 a configuration has problems; all of them are listed
    |- WorkerDefinitionError       a function cannot be a worker
    |- ScheduleValidationError     a schedule has problems; all of them are listed
    |- NoOccurrenceError           a schedule has no further occurrence before the year 10000
    |- PayloadError                arguments cannot be written as JSON, or cannot be read back
    |- ResultError                 a result does not fit its annotation
    |- NaiveDatetimeError          a datetime has no time zone
    |- NoWorkerForJobError         a request names a worker that this configuration lacks
    |- DuplicateJobError           another job has the unique key, and the request refuses that
    |- UnknownJobError             no job has this id
    |- JobFailedError              the job whose result was awaited has failed
    |  '- ChildFailedError         a child of a nursery has failed
    |- JobCancelledError           the job whose result was awaited was cancelled
    |  '- ChildCancelledError      a child of a nursery was cancelled
    |- ParentLostError             a nursery was used after its parent had been lost
    |- TooManyWaitingError         too many handlers of a queue wait for children
    |- NestedTooDeeplyError        a job below too many levels of nurseries starts a child
    |- UnreadableJobError          the stored row of a job cannot be read
    |- ExportedLineError           a line of an export cannot be read
    |- SearchError                 a search text has no word, or is too long
    |- UnknownNameError            the configuration has no queue or scheduled job of this name
    |- AmbiguousScheduleError      scheduled jobs of several workers have this name
    |- NotRunningError             a client has ended, or a scheduled job was removed
    |- LeaseLostError              a queue could not renew its lease; see `ChildCrashed`
    '- StoreError                  the database refused a statement
       |- StoreUnavailableError    the database cannot be reached now; a retry may succeed
       |- RowRefusedError          the database refused a value or a row
       |- SchemaMismatchError      the stored schema has another version than this code needs
       '- ForkedStoreError         an open store was used in a forked child process

`Discard` and `Snooze` are exceptions, too, but not errors: a handler raises them to tell its
queue what to do with the job.
"""

from bgjobs.errors.definitions import (
    AmbiguousScheduleError,
    BgJobsError,
    ConfigError,
    NoOccurrenceError,
    ProblemKind,
    ScheduleProblem,
    ScheduleValidationError,
    UnknownNameError,
    WorkerDefinitionError,
)
from bgjobs.errors.jobs import (
    ChildCancelledError,
    ChildFailedError,
    DuplicateJobError,
    ExportedLineError,
    JobCancelledError,
    JobFailedError,
    NaiveDatetimeError,
    NestedTooDeeplyError,
    NoWorkerForJobError,
    ParentLostError,
    PayloadError,
    ResultError,
    SearchError,
    TooManyWaitingError,
    UnknownJobError,
    UnreadableJobError,
)
from bgjobs.errors.stores import (
    ForkedStoreError,
    LeaseLostError,
    NotRunningError,
    RowRefusedError,
    SchemaMismatchError,
    StoreError,
    StoreUnavailableError,
)

__all__ = [
    "AmbiguousScheduleError",
    "BgJobsError",
    "ChildCancelledError",
    "ChildFailedError",
    "ConfigError",
    "DuplicateJobError",
    "ExportedLineError",
    "ForkedStoreError",
    "JobCancelledError",
    "JobFailedError",
    "LeaseLostError",
    "NaiveDatetimeError",
    "NestedTooDeeplyError",
    "NoOccurrenceError",
    "NoWorkerForJobError",
    "NotRunningError",
    "ParentLostError",
    "PayloadError",
    "ProblemKind",
    "ResultError",
    "RowRefusedError",
    "ScheduleProblem",
    "ScheduleValidationError",
    "SchemaMismatchError",
    "SearchError",
    "StoreError",
    "StoreUnavailableError",
    "TooManyWaitingError",
    "UnknownJobError",
    "UnknownNameError",
    "UnreadableJobError",
    "WorkerDefinitionError",
]
