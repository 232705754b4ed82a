"""Enforcement: opening cases, acting on them, their papers, and what is in force."""
