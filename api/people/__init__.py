"""Programs and tokens: what a person or a program shows, listed and ended."""
