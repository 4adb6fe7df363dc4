"""The model: a timm backbone and a head that turns its features into a place on Earth."""
