"""Benchmarks. Each measures its own bare limit in the same run: only the ratio says anything."""
