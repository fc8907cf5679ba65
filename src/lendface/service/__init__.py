"""What the product does for its clients, in plain functions: keys, uploads, scans, swaps, jobs."""
