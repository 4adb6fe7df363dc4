"""A source of photos becomes a dataset, or more of one."""
