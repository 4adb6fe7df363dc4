"""The winner: trained in full, tested once, exported."""
