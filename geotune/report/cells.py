"""The map of cells: the ground that each covers, the photos in them, and what is said of each centre."""

import base64
import html
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geotune.geo.cells.partition import OUTSIDE, Partition
from geotune.geo.cells.statistics import CellStatistics
from geotune.geo.metrics import Extent, format_distance
from geotune.geo.sphere import Floats, LocalFrame, geometric_median
from geotune.report import style
from geotune.report.cleaning_map import spread
from geotune.report.errors import world_outlines
from geotune.report.style import RED, short, shorts

MOST_PHOTOS, MOST_CENTRES = 8000, 5000
"""So many are drawn; of more, those that cover the ground."""
PIXELS = 1200
"""Width of the picture of the cells' ground."""
COLOURS = 12
"""Hues in use; cells are told apart by their edges, too."""


def page(
    partition: Partition, found: CellStatistics, lat: Floats, lon: Floats, extent: Extent, about: Sequence[str]
) -> str:
    """The whole page as HTML for photos (N,) in degrees, under lines of text; it asks no network for anything."""
    # plotly looks into pandas when anything has begun to import it; importing it here waits for that import's end.
    import pandas  # noqa: F401
    from plotly.offline import get_plotlyjs

    options = {"displayModeBar": False, "responsive": True, "scrollZoom": True}
    figure = cell_map(partition, found, lat, lon, extent)
    drawn = figure.to_html(full_html=False, include_plotlyjs=False, config=options, div_id="map")
    lines = f"<pre>{html.escape(chr(10).join(about[1:]))}</pre>"
    hint = "Colours are cells, white is outside all of them. Turn the wheel to zoom, click twice to see all."
    head = "<meta charset=utf-8><meta name=viewport content='width=device-width'><title>Cells - geotune</title>"
    head += f"<style>{style.CSS}</style><script>{get_plotlyjs()}</script>"
    body = f"<header><h1>Cells</h1><p class=big>{html.escape(about[0])}</p>{lines}</header>"
    body += f"<section><p class=hint>{hint}</p>{drawn}</section>"
    return f"<!doctype html>\n<html lang=en><head>{head}</head><body>{body}</body></html>\n"


def cell_map(partition: Partition, found: CellStatistics, lat: Floats, lon: Floats, extent: Extent) -> Any:
    """A plotly figure: degrees for the world, east and north metres for a region."""
    import plotly.graph_objects as go

    figure = go.Figure()
    frame = LocalFrame(*geometric_median(lat, lon))
    world = extent == "world"
    if world:
        (west, south), (east, north) = (-180.0, -90.0), (180.0, 90.0)
    else:
        points = frame.to_metres(lat, lon)
        (west, south), (east, north) = np.quantile(points, (0.002, 0.998), axis=0)
        margin = 0.06 * max(east - west, north - south, 50.0)
        west, south, east, north = west - margin, south - margin, east + margin, north + margin
    high = max(1, round(PIXELS * min(1.0, (north - south) / (east - west))))
    wide = max(1, round(high * (east - west) / (north - south)))
    x, y = np.meshgrid((np.arange(wide) + 0.5) / wide, 1 - (np.arange(high) + 0.5) / high)
    across, up = west + x.ravel() * (east - west), south + y.ravel() * (north - south)
    ground = partition.assign(up, across) if world else partition.assign(*frame.to_lat_lon(np.stack([across, up], 1)))
    box = {"x": short(west), "y": short(north), "sizex": short(east - west), "sizey": short(north - south)}
    look = {"xref": "x", "yref": "y", "sizing": "stretch", "layer": "below"}
    figure.add_layout_image(source=_picture(ground.reshape(high, wide)), **box, **look)
    if world:
        world_outlines(figure)
        figure.data[0].update(showlegend=False, fill="none")  # lines alone: the cells lie beneath

    def flat(lat_deg: Floats, lon_deg: Floats) -> Floats:
        return np.column_stack([lon_deg, lat_deg]) if world else frame.to_metres(lat_deg, lon_deg)

    for name, chosen, colour in (
        ("photos", found.cell != OUTSIDE, "#343a40"),
        ("photos outside all cells", found.cell == OUTSIDE, RED),
    ):
        points = flat(lat[chosen], lon[chosen])
        if len(points):
            rows = spread(points, MOST_PHOTOS)
            x, y = points[rows].T
            marker = {"color": colour, "size": 3}
            label = f"{name} ({len(points):,})"
            figure.add_scatter(x=shorts(x), y=shorts(y), mode="markers", name=label, marker=marker, hoverinfo="skip")
    centres = flat(partition.centres_lat, partition.centres_lon)
    rows = spread(centres, MOST_CENTRES)
    texts = [_hover(partition, found, int(k), extent) for k in rows]
    marker = {"color": "white", "size": 7, "line": {"color": "black", "width": 1.2}}
    x, y = centres[rows].T
    shown: dict[str, Any] = {
        "mode": "markers",
        "name": f"centres ({len(centres):,})",
        "marker": marker,
        "hoverinfo": "text",
    }
    figure.add_scatter(x=shorts(x), y=shorts(y), text=texts, **shown)
    title = ("longitude", "latitude") if world else ("east (m)", "north (m)")
    figure.update_xaxes(title=title[0], range=[short(west), short(east)], zeroline=False, showgrid=False)
    figure.update_yaxes(title=title[1], range=[short(south), short(north)], zeroline=False, showgrid=False)
    figure.update_yaxes(scaleanchor="x")
    legend = {"orientation": "h", "y": -0.12, "yanchor": "top", "itemsizing": "constant"}
    figure.update_layout(height=680, **style.LAYOUT, legend=legend, hovermode="closest", dragmode="pan")
    return figure


def _picture(cell_HW: NDArray[np.int64]) -> str:
    """Cells (H, W), north first -> a PNG in a data address: a hue a cell, dark between two, nothing outside."""
    import cv2

    # Neighbours in number are often neighbours on the ground: a step of 5 in 12 hues keeps their colours apart.
    hue = (cell_HW * 5 % COLOURS * (180 // COLOURS)).astype(np.uint8)
    light = (225 + cell_HW // COLOURS % 3 * 15).astype(np.uint8)
    colour = cv2.cvtColor(np.dstack([hue, np.full_like(hue, 90), light]), cv2.COLOR_HSV2BGR)
    edge = np.zeros(cell_HW.shape, bool)
    edge[:, 1:] |= cell_HW[:, 1:] != cell_HW[:, :-1]
    edge[1:] |= cell_HW[1:] != cell_HW[:-1]
    colour[edge] = 90
    alpha = np.where(edge | (cell_HW != OUTSIDE), 255, 0).astype(np.uint8)
    done, encoded = cv2.imencode(".png", np.dstack([colour, alpha]))
    assert done
    return "data:image/png;base64," + base64.b64encode(encoded.tobytes()).decode()


def _hover(partition: Partition, found: CellStatistics, cell: int, extent: Extent) -> str:
    lines = [f"cell {cell}", f"{found.photos[cell]:,} photos"]
    if found.photos[cell]:
        lines.append(f"{format_distance(float(found.rms_km[cell]), extent)} from the centre (RMS)")
    if partition.countries:
        lines.append(partition.countries[cell])
    if found.crossing[cell]:
        lines.append("crosses a border")
    return "<br>".join(map(html.escape, lines))
