"""The Earth: coordinates, distances, cells, countries and the errors measured on it. NumPy float64 only."""
