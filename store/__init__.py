"""PostgreSQL: tables, queries by noun, the journal and its group-committing writer."""
