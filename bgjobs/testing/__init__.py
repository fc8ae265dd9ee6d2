"""Tools for testing jobs and stores."""

from bgjobs.testing.children import assert_children
from bgjobs.testing.clock import RealTimeError, VirtualClock, VirtualEventLoop, virtual_backend
from bgjobs.testing.drain import Drained, drain
from bgjobs.testing.enqueued import assert_enqueued, refute_enqueued
from bgjobs.testing.recorder import Recorder
from bgjobs.testing.repeatable import check_repeatable
from bgjobs.testing.run_one import Ended, run_one
from bgjobs.testing.run_virtual import VirtualRun, run_virtual

__all__ = [
    "Drained",
    "Ended",
    "RealTimeError",
    "Recorder",
    "VirtualClock",
    "VirtualEventLoop",
    "VirtualRun",
    "assert_children",
    "assert_enqueued",
    "check_repeatable",
    "drain",
    "refute_enqueued",
    "run_one",
    "run_virtual",
    "virtual_backend",
]
