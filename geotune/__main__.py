"""`python -m geotune`, the same as the command `geotune`."""

from geotune.cli import main

main()
