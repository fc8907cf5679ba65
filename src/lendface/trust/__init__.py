"""What keeps swaps honest: where a result comes from, and who may be in it."""
