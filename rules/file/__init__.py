"""Rule files: strict YAML, their shapes, overlays, and the sets they resolve to."""
