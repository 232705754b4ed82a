"""Certificates: numbers, statements, codes, transitions, what the public is told."""
