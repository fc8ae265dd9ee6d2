"""Values and pure decisions: no event loop, no database."""
