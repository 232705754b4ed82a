"""What operators run: campaigns, institutions, rules."""
