"""One file a command; `geotune.cli` loads it when the command runs."""
