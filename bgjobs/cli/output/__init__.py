"""What the command line writes: text, tables and JSON, and the terminal that they go to."""
