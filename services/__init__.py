"""What the API, its pages, the command line and the activities share, by subject.

A service owns ids, names of messages, time limits and the translation of the engine's errors.
"""
