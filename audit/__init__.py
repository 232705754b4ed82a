"""The auditor: reads the record, changes nothing."""
