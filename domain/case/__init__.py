"""What all kinds of cases share: state, review, events, commands, plan."""
