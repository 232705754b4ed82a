"""Printing: what is on record, laid out on paper by templates."""
