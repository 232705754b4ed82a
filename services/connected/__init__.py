"""Connected mode: its clients, their deliveries, the onboarding of provinces."""
