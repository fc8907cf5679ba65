"""Our own API, mounted at /v1."""
