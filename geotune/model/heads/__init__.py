"""The heads, one a file: settings, module, loss and decoding; `model/settings.py` lists them in one union."""
