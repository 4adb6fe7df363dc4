"""Pages and figures of a search."""
