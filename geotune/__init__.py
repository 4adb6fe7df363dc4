"""geotune: distributed hyperparameter search for image geolocation (a photo in, latitude and longitude out)."""

__version__ = "0.1.0"
