"""A search from start to end: who runs the trials, what it may cost, what is shown."""
