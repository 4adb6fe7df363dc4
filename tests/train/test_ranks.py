"""What processes that train together exchange: two real ones over gloo."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from geotune.train import ranks

BEGIN = """
import json, sys
import numpy as np, torch
from torch import distributed, nn
from geotune.train import ranks
torch.set_num_threads(1)
rank, file = int(sys.argv[1]), sys.argv[2]
distributed.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=2)
"""


def together(script, folder):
    """Run a script that prints JSON in two processes that know of each other -> what both printed."""
    code = BEGIN + script + "\ndistributed.destroy_process_group()\n"
    command = [sys.executable, "-c", code]
    both = [
        subprocess.Popen([*command, str(rank), str(folder / "meet")], stdout=subprocess.PIPE, text=True)
        for rank in range(2)
    ]
    told = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    return [json.loads(text) for text in told]


def test_one_process_exchanges_nothing():
    assert (ranks.rank(), ranks.size()) == (0, 1)
    assert ranks.part(7) == slice(0, 7)
    weight = torch.nn.Parameter(torch.ones(2))
    weight.grad = torch.tensor([1.0, 2.0])
    losses = {"loss": torch.tensor(3.0)}
    assert ranks.mean(5, [weight], losses) is losses
    assert weight.grad.tolist() == [1, 2]
    assert ranks.gathered(np.arange(3.0)).tolist() == [0, 1, 2]
    assert ranks.agreed("x") == "x"


@pytest.mark.slow
def test_two_processes_exchange_means_statistics_and_rows(tmp_path):
    script = """
weight, frozen = nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(1), requires_grad=False)
idle = nn.Parameter(torch.ones(3))
photos = [3, 1][rank]
weight.grad = torch.full((2, 2), float(rank))
told = {"mean": ranks.mean(photos, [weight, frozen, idle], {"loss": torch.tensor(8.0 * rank)})["loss"].item()}
told |= {"grad": weight.grad.tolist(), "idle": idle.grad.tolist(), "frozen": frozen.grad is None}
norm = nn.BatchNorm1d(1)
norm.running_mean.fill_(rank)
ranks.average(norm.buffers())
told |= {"statistics": norm.running_mean.item(), "part": str(ranks.part(7))}
layer = nn.Linear(2, 2)
ranks.same(layer)
told |= {"same": layer.weight.tolist(), "rows": ranks.gathered(np.full(rank + 1, rank, float)).tolist()}
weight.grad = None
told |= {"without": ranks.mean(2 * rank, [weight], {"loss": torch.tensor(float(rank))})["loss"].item()}
told |= {"agreed": ranks.agreed({"from": rank})}
print(json.dumps(told))
"""
    first, second = together(script, tmp_path)
    assert first["part"] == "slice(0, 3, None)"
    assert second["part"] == "slice(3, 7, None)"
    for one in (first, second):
        assert one["mean"] == 2  # (3 x 0 + 1 x 8) / 4
        assert one["grad"] == [[0.25, 0.25], [0.25, 0.25]]
        assert one["idle"] == [0, 0, 0]
        assert one["frozen"]
        assert one["statistics"] == 0.5
        assert one["same"] == first["same"]
        assert one["rows"] == [0, 1, 1]
        assert one["without"] == 1
        assert one["agreed"] == {"from": 0}
