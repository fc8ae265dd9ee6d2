"""Other libraries. Each module is imported only in the process that measures its library."""
