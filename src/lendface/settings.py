"""Reads the environment and the settings file, once."""
