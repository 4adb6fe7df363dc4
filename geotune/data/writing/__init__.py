"""Writing a dataset: whole or not at all."""
