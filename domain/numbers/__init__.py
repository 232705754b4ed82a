"""Report numbers: quarters, rows, transitions, what the lookup answers."""
