"""The values of a plan: the jobs with the steps of their runs, the faults and the orders."""

from typing import Literal, final

from attrs import frozen

Action = Literal[
    "return", "raise", "give up", "discard", "snooze", "crash", "raise in transaction"
]
"""What a handler does at its end, or in the work that it passes to `complete_with`."""
FaultKind = Literal["pause", "kill", "stop", "jump", "outage"]
OrderKind = Literal["cancel", "retry", "pause", "resume"]


@final
@frozen
class Step:
    """One run of a handler: its duration, and its action at the end."""

    action: Action = "return"
    seconds: float = 0.0


@final
@frozen(kw_only=True)
class PlannedJob:
    """A job to enqueue, and the steps of its runs; further runs return."""

    number: int
    worker: str
    steps: tuple[Step, ...] = ()
    writes: bool = False
    """Whether its runs pass work to `complete_with`."""
    key: str | None = None
    delay: float = 0.0
    priority: int = 0
    awaits: int | None = None
    """The planned job that its runs wait for, at most as long as they take."""
    children: tuple["PlannedJob", ...] = ()
    """What each run starts in a nursery, after the time of its step."""
    pause: float = 0.0
    """Seconds between the requests of two children."""
    goes_on: bool = False
    """Whether a failed child does not cancel the others."""
    catches: bool = False
    """Whether runs go on after children have ended without success."""
    forgets: bool = False
    """Whether all runs but the first leave the last child out."""
    is_keyed: bool = False
    """Whether the children have keys that are not made from their requests."""
    waits_inside: bool = False
    """Whether runs wait for the first child before they end the block."""
    acts_inside: bool = False
    """Whether an exception of a step is raised inside the block."""
    belongs_to_block: bool = False
    """Whether its group is stored in the block of a nursery of the application."""


@final
@frozen
class PlannedFault:
    """A fault of one node, or of all, at a certain time."""

    at: float
    kind: FaultKind
    node: int | None
    """None for all nodes."""
    size: float
    """How long it lasts, or by how much the clock jumps, in seconds."""


@final
@frozen
class PlannedOrder:
    """What an operator does at a certain time, by the process of a node."""

    at: float
    kind: OrderKind
    node: int
    numbers: tuple[int, ...]
    """The planned jobs, or the queue."""
    runs: bool
    """Whether the jobs of schedules are among those of the order."""
