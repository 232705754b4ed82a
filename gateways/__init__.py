"""The way to the workflow engine and the record, for the API and the command line alike.

A gateway owns ids, message names, timeouts and the translation of the engine's errors.
"""
