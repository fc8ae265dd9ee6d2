"""bgjobs beside others and beside its limits: ``python -m benchmarks``, or one part of it.

compare     other libraries and bare SQL, in one run and in alternation; judged by `goals`
extras      more of bgjobs: other handlers, more processes, lateness, memory, idleness
growth      how claims, drains and memory grow with the backlog, the names and the history
claim       what one reserve costs, with its plan
schedules   what it costs to find the next occurrence
report      the tables and the chart of an earlier comparison, from its JSON

`measures` says what each metric means, and `peers/harness.mjs` the same for Node; `systems`
lists who is compared. Every worker is a process of its own, and so is every client.
"""
