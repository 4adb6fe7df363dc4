"""The heads, one a file: its settings, its module, its loss, its decoding. `model/settings.py` lists them in one union."""
