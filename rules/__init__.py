"""Rules: what the notices say, as data, and the engine that reads it."""
