"""Generated data for demonstrations and load tests; nothing in it is real."""
