"""What an auditor asks of the whole record."""
