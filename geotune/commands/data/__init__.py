"""`geotune data …`: one file a command, loaded when it runs."""

from geotune.commands.lazy import Lazy

COMMANDS = {
    "import": "Make a dataset of your photos.",
    "check": "Show what a dataset holds, and whether its results can be trusted.",
    "augment": "List what augmentation does to training photos, or draw it.",
    "demo": "Build the demo dataset.",
    "cells": "Cut the Earth into cells, say how good they can be, draw them.",
    "cache": "Show or clear what is kept of decoded photos, features and remote folders.",
}

command = Lazy(COMMANDS, __name__, help="Import photos, check a dataset, and what else belongs to data.")
