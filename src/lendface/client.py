"""A typed client of the native API, for Python programs that use a lendface server."""
