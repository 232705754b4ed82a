"""What every request passes: the application, operations, rights, problems, identity."""
