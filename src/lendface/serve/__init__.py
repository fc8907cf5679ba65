"""A server and its workers: everything built from the settings, and the processes that run it."""
