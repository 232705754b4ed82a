"""Rules of annual filings: reviewers, windows, forms, the facts they read."""
