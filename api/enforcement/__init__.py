"""Enforcement over HTTP: cases, their documents and files, registers, the public page."""
