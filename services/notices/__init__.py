"""Served notices: serving them, telling of steps, delivering, and who has seen what."""
