"""What all kinds of cases share: acts, inboxes, timelines, outgoing events."""
