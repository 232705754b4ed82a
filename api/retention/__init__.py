"""How long what is known of somebody is kept, and its end."""
