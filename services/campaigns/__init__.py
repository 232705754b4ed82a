"""Campaigns: a year, or a quarter, in a jurisdiction: opening it, foreseeing it, following it."""
