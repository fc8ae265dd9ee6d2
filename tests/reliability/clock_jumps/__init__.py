"""A property of time: schedules neither rush, stop nor repeat, however clocks jump.

The runtime and the SQL are the real ones, in virtual time; one seed decides everything.
``python -m tests.reliability.clock_jumps --help``.

forms        schedules, and an oracle that finds their occurrences without the library
worlds       what a seed decides: scheduled jobs, and lives of a process with jumps of clocks
trace        the clocks that jump, and everything that was observed, in order
history      the observations of one scheduled job, read from a trace
promises     what the documentation promises, checked on a history
play         one seed, from its world to the promises that it breaks
"""
