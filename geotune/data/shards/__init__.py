"""Shards: plain concatenations of records, their indices, links to those that lie elsewhere."""
