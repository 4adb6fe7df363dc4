"""The nodes of the connected Ray: what the live ones offer, which are lost, which get no trials; what may join."""

import contextlib
import math
import time
from pathlib import Path
from typing import Any

import ray

from geotune.config import load_yaml
from geotune.errors import GeotuneError
from geotune.search.executors.ray_storage import asked
from geotune.search.machine import Node, Offer, Shape

BOOTSTRAP = Path("~/ray_bootstrap_config.yaml")
"""Where `ray up` leaves the cluster's file on its head, every node type's resources written out."""
LOOK_SECONDS = 0.5
"""What is known of the nodes is no older."""
AGAIN_SECONDS = 30.0
"""A node that does not share the run folder is asked again so often: its file system may be mounted late."""
LOST_SECONDS = 120.0
"""So long a lost node is told of."""
GONE = (2, 3)
"""Ray's reasons of a node's death that nobody asked for: it broke down, or was taken away."""


def offer() -> Offer:
    """What the live nodes have, and what an autoscaler would start."""
    return Offer(tuple(_resources(node) for node in ray.nodes() if node["Alive"]), started_kinds())


def started_kinds() -> tuple[Node, ...] | None:
    """What the cluster's autoscaler starts nodes with; None where this is not the head, which alone has its file."""
    here = ray.get_runtime_context().get_node_id()
    head = any("node:__internal_head__" in node["Resources"] for node in ray.nodes() if node["NodeID"] == here)
    return kinds_in(BOOTSTRAP.expanduser()) if head else None


def kinds_in(path: Path) -> tuple[Node, ...] | None:
    """CPUs and GPUs of the workers that a cluster's file, as `ray up` completed it, has started.

    None where there is no such file, or one of hosts that are there already: it does not say what they have.
    """
    try:
        tree = load_yaml(path) if path.is_file() else {}
    except GeotuneError:
        return None
    if (tree.get("provider") or {}).get("type", "local") == "local" or not tree.get("available_node_types"):
        return None
    most = tree.get("max_workers", 0)
    kinds = [
        kind.get("resources") or {}
        for name, kind in tree["available_node_types"].items()
        if name != tree.get("head_node_type") and kind.get("max_workers", most)
    ]
    return tuple((float(kind.get("CPU", 0)), float(kind.get("GPU", 0))) for kind in kinds)


class Nodes:
    """The nodes as one search sees them."""

    def __init__(self) -> None:
        self.kinds = started_kinds()
        self._refused: dict[str, str] = {}  # id of a node that gets no trials -> why
        self._asked: dict[str, Any] = {}  # id of such a node -> Ray's reference to what it finds now
        self._asked_at = time.monotonic()
        self._lost: dict[str, float] = {}  # id of a lost node -> when it was missed first
        self._known: list[dict[str, Any]] = []
        self._looked = -math.inf

    def refuse(self, node: str, problem: str) -> None:
        """Give this node no trials until it passes."""
        self._refused[node] = problem

    def ask_again(self, mark: Path) -> None:
        """Whether the nodes that were refused have come to see `mark`; never waits."""
        for node, answer in list(self._asked.items()):
            if ray.wait([answer], timeout=0)[0]:
                del self._asked[node]
                with contextlib.suppress(ray.exceptions.RayError):  # the node is gone
                    if not ray.get(answer):
                        self._refused.pop(node, None)
        if time.monotonic() - self._asked_at < AGAIN_SECONDS:
            return
        self._asked_at = time.monotonic()
        live = {str(found["NodeID"]) for found in self._live()}
        for node in (live & self._refused.keys()) - self._asked.keys():
            self._asked[node] = asked(node, mark)

    @property
    def offer(self) -> Offer:
        """Of the live nodes that may have trials."""
        return Offer(tuple(_resources(node) for node in self._usable()), self.kinds)

    @property
    def selector(self) -> dict[str, str]:
        """Ray's label selector for where trials may run."""
        refused = ",".join(sorted(self._refused))
        return {"ray.io/node-id": f"!in({refused})"} if refused else {}

    @property
    def refused(self) -> dict[str, str]:
        """Addresses of live nodes that get no trials, and why."""
        return {
            _address(node): self._refused[node["NodeID"]] for node in self._live() if node["NodeID"] in self._refused
        }

    @property
    def lost(self) -> tuple[str, ...]:
        """Addresses of nodes that broke down or were taken away a short while ago."""
        now = time.monotonic()
        return tuple(
            _address(node) for node in self._all() if now - self._lost.get(node["NodeID"], -math.inf) < LOST_SECONDS
        )

    def free(self, one: Shape) -> int:
        """Trials of a shape that the live nodes could take besides what runs on them."""
        there = ray._private.state.available_resources_per_node()
        found = 0
        for node in self._usable():
            left = there.get(node["NodeID"], {})
            found += int(
                min(left.get("CPU", 0) / one.cpus, left.get("GPU", 0) / one.gpus if one.gpus else math.inf) + 1e-9
            )
        return found

    def _usable(self) -> list[dict[str, Any]]:
        return [node for node in self._live() if node["NodeID"] not in self._refused]

    def _live(self) -> list[dict[str, Any]]:
        return [node for node in self._all() if node["Alive"]]

    def _all(self) -> list[dict[str, Any]]:
        now = time.monotonic()
        if now - self._looked > LOOK_SECONDS:
            first, self._looked, self._known = not self._known, now, ray.nodes()
            for node in self._known:
                if not node["Alive"] and node.get("DeathReason") in GONE:
                    # of a node that was gone before the search began nobody needs to hear
                    self._lost.setdefault(node["NodeID"], -math.inf if first else now)
        return self._known


def _resources(node: dict[str, Any]) -> Node:
    return node["Resources"].get("CPU", 0.0), node["Resources"].get("GPU", 0.0)


def _address(node: dict[str, Any]) -> str:
    return str(node["NodeManagerAddress"])
