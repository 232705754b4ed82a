"""Forms as data, and what is wrong with a filled-in one."""
