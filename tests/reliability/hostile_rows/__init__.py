"""Hostile rows: a row that the library did not write costs its own job and no other.

Generated rows are written to every table without the library, by each documented role, while an
application with two queues and a schedule runs. Afterwards every command has to work.
``python -m tests.reliability.hostile_rows --help``.

rows         values of single columns, and whole rows for every table; one seed determines all
database     a database, its roles, and the rows that were found in it
application  an application that runs while rows are written, and one that drains the queues
commands     the commands of operators over the rows that are left
report       a seed, from its rows to the problems
"""
