"""Benchmarks of bgjobs: ``python -m benchmarks``, or one of its subcommands.

compare     bgjobs beside other libraries and bare SQL, in one run and in alternation
extras      other handlers, more processes, lateness, memory and idle cost of bgjobs
growth      how claims, drains and memory grow with the backlog, the names and the history
claim       what one reserve costs, with its query plan
lone        the steps of one enqueue beside a bare commit
held        what an open transaction elsewhere costs, while many jobs end
operators   the duration of pages, searches, lookups and counts on many failed jobs
web         the duration of the pages over large tables, and the cost of open browsers
activity    the cost of counting how runs end
nurseries   jobs in a nursery beside the same jobs alone, and the duration of a cancellation
schedules   the cost of finding the next occurrence
guard       two commits of bgjobs in alternating pairs, and whether the newer one is slower
report      the tables and the chart of an earlier comparison, from its JSON
smoke       each measure once, with small numbers, to see that it works

`measures.metrics` defines each metric, and `systems/peers/harness.mjs` the same for Node.
`systems.registry` lists what is compared. Every worker and every client has its own process.
"""
