"""Report numbers on record, uploads, changes, and what the lookup reads."""
