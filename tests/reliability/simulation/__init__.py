"""Deterministic simulation: several processes, a storm of faults and one seed that decides all.

The runtime is the real one, and so is the SQL; simulated are time, the scheduler's choices,
chance, and what lies between a process and its database. ``python -m tests.reliability.simulation --help``.

plan         what a seed means: how many processes, which jobs, which faults
entropy      chance, ids and Trio's scheduler made to follow the seed
process      one process; it can be stopped as by SIGSTOP and killed as by SIGKILL
weather      faults and delays on the way to the store; `line` is that way
disk         the store that all share, and triggers that record every changed row
witness      checks each change when it is made, with `owners`, `runs` and `planned`
ledger       what was asked for and what was answered
world        all of it together; `storm` does to it what the plan says
simulation   one seed from its beginning to its verdict
mutants      faults put into the library, to see that they are found
"""
