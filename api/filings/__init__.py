"""Annual filings."""
