"""Rules of certificates, of their content, and of deliveries."""
