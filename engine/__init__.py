"""The way to Temporal: connecting, starting, search attributes, values in its payloads."""
