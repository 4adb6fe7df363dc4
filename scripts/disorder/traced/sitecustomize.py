"""On PYTHONPATH of a search under test: every training notes which epochs it begins, in the file GEOTUNE_TRACE.

Python imports a module of this name at its start, also in Ray's workers. geotune itself is as it is.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import sys
import time
from collections.abc import Sequence
from types import ModuleType
from typing import Any

TRACED = "geotune.train.run"


class Finder(importlib.abc.MetaPathFinder):
    """Finds that one module as everybody does, and has its `Run` tell."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != TRACED:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        assert spec is not None
        assert spec.loader is not None
        load = spec.loader.exec_module

        def load_and_trace(module: ModuleType) -> None:
            load(module)
            trace(module.Run)

        spec.loader.exec_module = load_and_trace  # type: ignore[method-assign]
        return spec


def trace(run: Any) -> None:
    """An entry when a training is made, and one for each epoch that it begins."""
    make, begin = run.__init__, run.begin_epoch

    def traced_init(self: Any, config: Any, workdir: Any) -> None:
        make(self, config, workdir)
        tell(workdir, 0)

    def traced_begin(self: Any) -> None:
        begin(self)
        tell(self.workdir, self.epoch)

    run.__init__, run.begin_epoch = traced_init, traced_begin


def tell(workdir: Any, epoch: int) -> None:
    line = {"folder": str(workdir), "pid": os.getpid(), "epoch": epoch, "time": time.time()}
    file = os.open(os.environ["GEOTUNE_TRACE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(file, json.dumps(line).encode() + b"\n")  # one call: lines of several processes do not mix
    finally:
        os.close(file)


if "GEOTUNE_TRACE" in os.environ:
    sys.meta_path.insert(0, Finder())
