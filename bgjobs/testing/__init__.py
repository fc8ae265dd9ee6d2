"""Tools for testing jobs and stores."""
