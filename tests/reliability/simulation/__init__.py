"""Deterministic simulation: several processes under faults, all decided by one seed.

The runtime and the SQL are the real ones. Time, the choices of the scheduler, random numbers
and the network in front of the database are simulated. ``python -m
tests.reliability.simulation --help`` shows the options.

plan         what a seed determines: the number of processes, the jobs and the faults
determinism  random numbers, ids and the scheduler of Trio, made to follow the seed
process      a process, which can be paused and killed between two steps, and the clocks
network      the connection of a process to the store, with faults and delays
database     the shared store, and triggers that record every changed row
planned      the values of a plan
trees        which planned jobs open nurseries, and what for
workload     the handlers, and the log of what was enqueued and acknowledged
checker      the check of each transaction
blocks       the block of a handler in which its children run
children     the check of children, which belong to a parent
clients      what the application and its operators do in each process
events       the check of each event
records      the journal of all steps, and the owners, scheduled jobs, histories and runs in it
cluster      all of these together, and the scenario
simulation   a seed, from its plan to its result
mutants      bugs that are put into the library, to see that they are found
"""
