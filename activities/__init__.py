"""Every side effect a workflow asks for."""
