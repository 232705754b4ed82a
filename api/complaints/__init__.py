"""Complaints, and the page on which the public makes them."""
