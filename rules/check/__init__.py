"""What rule files are checked for: meaning, evidence, examples, reach."""
