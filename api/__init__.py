"""The thin HTTP API: parse, identify, one call, render."""
