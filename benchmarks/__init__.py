"""Measures speed, stage by stage: ``python -m benchmarks`` or ``make bench``."""
