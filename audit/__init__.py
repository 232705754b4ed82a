"""The auditor: verify, replay, recompute, as-of, counterfactual, export. Reads, and writes nothing.

What an auditor has read is put on record by whoever let the auditor in (`services.reads`).
"""
