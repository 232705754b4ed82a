"""Certificates: cases, imports, papers, search, and what the public sees."""
