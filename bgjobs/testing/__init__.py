"""Tools for testing jobs and stores."""

from bgjobs.testing.clock import VirtualClock
from bgjobs.testing.recording import Recorder

__all__ = ["Recorder", "VirtualClock"]
