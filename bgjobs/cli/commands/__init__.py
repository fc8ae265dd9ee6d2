"""The commands, one file for each or for each group: parse, ask the store, show."""
