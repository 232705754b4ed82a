"""Clients, deliveries and provinces of connected mode."""
