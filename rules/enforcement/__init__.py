"""Enforcement under one rule set: what would be proposed, by whom decided, within which terms."""
