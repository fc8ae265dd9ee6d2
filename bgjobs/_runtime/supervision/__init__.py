"""The tree of tasks: a supervisor and its children."""
