"""Tools for testing jobs and stores."""

from bgjobs.testing.clock import VirtualClock
from bgjobs.testing.draining import Drained, drain
from bgjobs.testing.enqueued import assert_enqueued, refute_enqueued
from bgjobs.testing.loop import VirtualEventLoop
from bgjobs.testing.recording import Recorder
from bgjobs.testing.repeating import check_repeatable
from bgjobs.testing.run_one import Ended, run_one
from bgjobs.testing.running import VirtualRun, run_virtual
from bgjobs.testing.virtual_time import RealTimeError, virtual_backend

__all__ = [
    "Drained",
    "Ended",
    "RealTimeError",
    "Recorder",
    "VirtualClock",
    "VirtualEventLoop",
    "VirtualRun",
    "assert_enqueued",
    "check_repeatable",
    "drain",
    "refute_enqueued",
    "run_one",
    "run_virtual",
    "virtual_backend",
]
