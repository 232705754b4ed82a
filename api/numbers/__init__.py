"""Report numbers: batches, and the public lookup with its page."""
