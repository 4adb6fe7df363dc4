"""Partitions of the Earth into cells: one builder or reader a file, one Partition."""
