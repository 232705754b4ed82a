"""Served notices over HTTP."""
