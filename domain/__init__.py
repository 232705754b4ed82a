"""The shared vocabulary, pure: ids, statuses, facts, commands, events, refusals, state machine."""
