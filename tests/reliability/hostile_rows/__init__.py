"""A property of rows: whatever others have written, it costs its own job and no other.

Generated rows go into every table past all that the library checks, by each documented role,
while an application with two queues and a schedule runs over them; then every command works.
``python -m tests.reliability.hostile_rows --help``.

values       single columns: types, extremes, depth, sizes, broken texts, absurd instants
rows         whole rows for every table, and changes of rows that are there; one seed decides
places       a database, who may write what into it, and what an auditor sees in it
application  the workers, the configuration, and what was heard of it
play         the rows are written while the application runs; later another one clears up
commands     the commands of operators over what is left
verdict      one seed, from its rows to what is wrong
"""
