"""How the report looks: colours, fonts, the page's style sheet, and numbers no longer than a page can show."""

import math
from typing import Any

BLUE, ORANGE, GREEN, RED = "#1f6feb", "#e8590c", "#2f9e44", "#c92a2a"
GREY, PALE = "#9aa4b2", "#c5d3e8"
FONT = {"family": "system-ui, sans-serif", "size": 13, "color": "#24292f"}
LAYOUT: dict[str, Any] = {
    "template": "none",
    "plot_bgcolor": "white",
    "paper_bgcolor": "white",
    "font": FONT,
    "margin": {"l": 60, "r": 20, "t": 40, "b": 50},
}

CSS = """
body { font: 15px/1.5 system-ui, sans-serif; color: #24292f; background: #f6f8fa }
body { margin: 0 auto; max-width: 1080px; padding: 1.5rem }
header, section { background: #fff; border: 1px solid #e3e8ee; border-radius: 10px }
header, section { padding: 1rem 1.5rem; margin-bottom: 1rem }
h1 { font-size: 1.1rem; margin: 0; color: #57606a; font-weight: 600 }
h2 { font-size: 1.1rem; margin: .2rem 0 }
p { margin: .3rem 0 }
.big { font-size: 2.8rem; font-weight: 700; line-height: 1.2; color: #1f6feb; margin: 0 }
.hint { color: #57606a }
table { border-collapse: collapse; font-size: 13px }
th { text-align: left; color: #57606a; font-weight: 600 }
th, td { padding: .2rem .9rem .2rem 0; border-bottom: 1px solid #eef1f5; vertical-align: top }
th, td { white-space: nowrap; max-width: 34rem; overflow: hidden; text-overflow: ellipsis }
.scroll { overflow-x: auto }
.columns { display: flex; flex-wrap: wrap; gap: 2.5rem; align-items: flex-start }
.columns .scroll { max-width: 100% }
pre, code { font-family: ui-monospace, monospace; font-size: 13px }
pre { background: #f6f8fa; padding: .8rem; border-radius: 6px; overflow-x: auto }
"""


def short(value: float) -> float:
    """Five digits."""
    return float(f"{value:.5g}")


def shorts(values: Any) -> list[float | None]:
    """Five digits each; NaN becomes a gap."""
    return [None if math.isnan(value) else short(value) for value in values]
