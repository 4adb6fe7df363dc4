"""The rules that cells can have, by the names that they bear in files."""

from collections.abc import Mapping
from typing import Any

from geotune.geo.cells.boxes import Boxes
from geotune.geo.cells.cuts import Cuts
from geotune.geo.cells.partition import Rule
from geotune.geo.cells.s2_cells import S2Cells

RULES: dict[str, Any] = {"cuts": Cuts, "s2": S2Cells, "boxes": Boxes}


def rule_of(plain: Mapping[str, Any]) -> Rule:
    """The rule of `Rule.plain()`. Raises KeyError, TypeError or ValueError where it is of anything else."""
    rule: Rule = RULES[plain["rule"]].from_plain(plain)
    return rule
