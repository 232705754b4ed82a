"""Connected mode: clients, deliveries, provinces."""
