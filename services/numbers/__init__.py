"""Report numbers: batches, reading uploads, changes, and the public lookup."""
