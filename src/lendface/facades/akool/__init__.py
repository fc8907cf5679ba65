"""Akool's face-swap API: its paths, words and codes; what is done is the service's."""
