"""A web shop with a database, an HTTP service, and jobs whose progress a page shows."""
