"""The first lines of a run: which model it trains, how much of it, from which weights."""

import json
import logging
from pathlib import Path

from geotune.model.geolocator import Geolocator
from geotune.train import ranks

ABOUT = "about.json"

log = logging.getLogger(__name__)


def tell(model: Geolocator, workdir: Path) -> None:
    """Log it in a sentence, and write `workdir/about.json`: {"model": sentence, "weights": tag, sha256, licence}."""
    if ranks.rank():
        return
    text = model.described()
    log.info("%s", text)
    fresh = workdir / f".{ABOUT}.tmp"
    fresh.write_text(json.dumps({"model": text, "weights": model.starting_weights}) + "\n", encoding="utf-8")
    fresh.replace(workdir / ABOUT)
