"""A property of time: whatever the clocks do, schedules neither rush, stand still nor repeat.

The runtime and the SQL are the real ones, in virtual time; one seed decides everything.
``python -m tests.reliability.clock_jumps --help``.

forms        schedules, and an oracle that finds their occurrences without the library
worlds       what a seed means: scheduled jobs, and lives of a process with jumps of clocks
clocks       the clock of the store and those of the processes, which jump
trace        what was heard, in its order, with what the store's clock showed
play         a world, lived through
links        what was heard of one scheduled job; `reading` makes it of a trace
promises     what the documentation promises about runs and events, checked on a trace
liveness     that runs come in time whenever the store's clock goes on as it should
verdict      one seed, from its world to what is wrong with it
mutants      faults put into the library, to see that they are found
"""
