"""Tests under faults: processes that die, lost answers, jumping clocks and hostile rows."""
