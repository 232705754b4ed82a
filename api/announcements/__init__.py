"""Announcements, help, questions and answers."""
