"""A search with real (tiny) trainings is killed again and again, resumed to its end, and must have lost nothing.

    python scripts/chaos.py [--kills 30] [--kinds driver,worker,node,server] [--pause SECONDS] [--seed 0] [--json FILE]

Kinds of kill -9: the driver (geotune itself), a worker process that trains, a whole Ray node with all its processes
(ray.cluster_utils), the MLflow server. Their instants are drawn by --seed: so many trials have begun, and some tenths
or seconds more; with four kills or more the last one hits the driver in the full training. --pause stops all
processes in the middle of the search (SIGSTOP) and continues them, as a laptop that sleeps. Needs Linux (/proc).

What must come out, and stands in the JSON file:

    lost                0     trials that are missing, failed, or have no longer what they had
    duplicated          0     ends and epochs told twice in the study; runs and values that stand twice in MLflow
    missing             0     values that are not in MLflow
    epochs_redone_max   <= 1  epochs, begun ones included, that an attempt trained again after a kill
    same                1     every epoch's metrics equal those of an undisturbed train() of the same config
    nodes_ended               nodes that Ray took for dead although nobody had killed them, on a machine under load
"""

import argparse
import json
import random
import shutil
import signal
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from disorder.instants import Instant, draw
from disorder.kills import KINDS, pause
from disorder.tracked import in_mlflow
from disorder.verdict import Told, different, duplicated_in_study, lost, redone, told
from disorder.world import World

from geotune.data.threads import local_cpus

PATIENCE = 3
"""So many times geotune may end by itself, in an error, before the search is given up; every one is told."""
SECONDS = 1800.0
"""After so long without a new epoch the search hangs."""


class Chaos:
    """One search with its kills; `done`, `errors` and `before` say what happened."""

    def __init__(self, world: World, instants: list[Instant], pause_seconds: float, chance: random.Random) -> None:
        self.world, self.instants, self.pause_seconds, self.chance = world, instants, pause_seconds, chance
        self.before: Told = {}
        """Every epoch that was told before some kill."""
        self.done: list[str] = []
        self.errors: list[str] = []
        self.nodes_ended = 0
        self._epochs, self._heard = 0, time.monotonic()

    def run(self) -> None:
        """Run the search to its end, with everything on the way."""
        self.world.begin()
        for number, instant in enumerate(self.instants):
            if number == len(self.instants) // 2:
                self._pause()
            if not self._wait(instant.begun):
                break
            time.sleep(instant.delay_seconds)
            self._kill(instant.kind)
        if not self.instants and self._wait(self.world.trials / 2):
            self._pause()
        while self._goes_on():
            time.sleep(0.2)
        if self.world.server is not None:
            self.world.settle_server()
            self.world.geotune("sync", str(self.world.run.path)).wait()  # what an outage at the very end kept back

    def _wait(self, begun: float) -> bool:
        """Until an instant is due; False if the search ends before."""
        while self._goes_on():
            if begun < 0:
                return True
            run = self.world.run
            fresh = self._epochs > len(self.before)
            if run and fresh and (sum(1 for _ in run.trials()) > begun or run.final.epochs()):
                return True
            time.sleep(0.02)
        return False

    def _goes_on(self) -> bool:
        """Whether the search is at work; one that was killed is resumed. SystemExit where it cannot be."""
        world = self.world
        assert world.search is not None
        epochs = len(told(world.run)) if world.run else 0
        if epochs > self._epochs:
            self._epochs, self._heard = epochs, time.monotonic()
        if time.monotonic() - self._heard > SECONDS:
            raise SystemExit(f"the search hangs:\n{world.last_words()}")
        self.nodes_ended += world.replace_ended()
        code = world.search.poll()
        if code is None:
            return True
        if code == 0:
            return False
        if code != -signal.SIGKILL:
            self.errors.append(f"geotune ended with {code}: {world.last_words()}")
            print(self.errors[-1], flush=True)
            if len(self.errors) > PATIENCE:
                raise SystemExit("it ended by itself too often")
        world.begin()
        return True

    def _kill(self, kind: str) -> None:
        while self._goes_on():
            if self.world.run:
                self.before = told(self.world.run) | self.before
            if KINDS[kind](self.world, self.chance):
                self.done.append(kind)
                print(f"  {len(self.done):>3}  {kind:<7} after {len(self.before)} epochs", flush=True)
                return
            time.sleep(0.05)  # nothing of this kind is alive at this instant

    def _pause(self) -> None:
        if not self.pause_seconds:
            return
        count = pause(self.world, self.pause_seconds)
        print(f"       {count} processes stopped for {self.pause_seconds:g} s and continued", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument(
        "--kinds",
        default=",".join(KINDS),
        help="without node: no cluster, Ray on this machine; without worker: executor=inline",
    )
    parser.add_argument("--trials", type=int, help="default: two and a half a kill, but 6 at least")
    parser.add_argument("--pause", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--keep", type=Path, metavar="DIR", help="work there, and leave everything")
    words = parser.parse_args()
    kinds = words.kinds.split(",")
    if unknown := set(kinds) - set(KINDS):
        parser.error(f"--kinds {','.join(unknown)}: expected some of {','.join(KINDS)}")
    work = words.keep.resolve() if words.keep else Path(tempfile.mkdtemp(prefix="chaos-"))
    trials = words.trials or max(6, words.kills * 5 // 2)
    began = time.monotonic()
    world = World(work, trials, kinds, words.seed)
    try:
        chance = random.Random(words.seed)
        chaos = Chaos(world, draw(kinds, words.kills, trials, chance), words.pause, chance)
        chaos.run()
        world.close()
        found = verdict(world, chaos)
    finally:
        world.close()
        if not words.keep:
            shutil.rmtree(work, ignore_errors=True)
    found["seconds"] = round(time.monotonic() - began, 1)
    show(found)
    if words.json:
        words.json.write_text(json.dumps(found, indent=1) + "\n")
    raise SystemExit(0 if found["passed"] else 1)


def verdict(world: World, chaos: Chaos) -> dict[str, Any]:
    """Every figure, and what is behind it."""
    run = world.run
    assert run is not None
    gone = lost(run, world.trials, chaos.before)
    missing, twice = in_mlflow(run, world.work / "runs" / "mlflow.db")
    twice += duplicated_in_study(run)
    again = redone(world.trace)
    other = different(run, world.work / "undisturbed", 1 if world.cluster else local_cpus())
    states = Counter(json.loads(t.outcome.read_text())["state"] for t in run.trials() if t.outcome.is_file())
    found: dict[str, Any] = {
        "lost": len(gone),
        "duplicated": len(twice),
        "missing": len(missing),
        "epochs_redone_max": max(again.values(), default=0),
        "same": int(not other),
        "kills": dict(Counter(chaos.done)),
        "errors": len(chaos.errors),
        "nodes_ended": chaos.nodes_ended,
        "trials": dict(states),
        "epochs": len(told(run)),
        "attempts": len(again),
        "details": [*gone, *twice, *missing, *other, *chaos.errors],
    }
    found["details"] += [f"{name}, attempt {a + 1}: {n} epochs redone" for (name, a), n in again.items() if n > 1]
    dealt = len(chaos.done) == len(chaos.instants)
    found["passed"] = dealt and not found["details"]
    if not dealt:
        found["details"].append(f"the search ended after {len(chaos.done)} of {len(chaos.instants)} kills")
    return found


def show(found: dict[str, Any]) -> None:
    for line in found["details"][:40]:
        print(f"  ! {line}")
    for key, value in found.items():
        if key != "details":
            print(f"  {key:<18} {value}")


if __name__ == "__main__":
    main()
