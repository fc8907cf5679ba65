"""The command line of judging finished swaps: evaluate."""
