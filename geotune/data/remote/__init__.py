"""Datasets and sources on other machines: a copy that is fetched once a node."""
