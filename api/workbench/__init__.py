"""Pages for whoever signs in: their account, and their work."""
