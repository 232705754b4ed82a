"""Rules of report numbers."""
