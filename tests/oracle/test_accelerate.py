"""Exports for accelerate, checked with its loader of configurations and its ParallelismConfig."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from planner.exporters.registry import Request, export
from tests.oracle.plans import DENSE, ENOUGH, SPARSE, drawn

pytestmark = [pytest.mark.oracle, pytest.mark.filterwarnings("ignore")]
AXES = ("dp_replicate", "dp_shard", "tp", "cp")


@pytest.fixture(scope="module")
def loaded() -> Any:
    """accelerate's loader of files; the test is skipped if it is not installed."""
    args = pytest.importorskip("accelerate.commands.config.config_args", reason="accelerate is not installed; the extra `oracles` has it")
    return args.load_config_from_file


@pytest.fixture(scope="module")
def requests() -> list[Request]:
    """Plans of the stacks pytorch-fsdp and, for tensor and context parallelism, torchtitan."""
    plans = [*drawn("accelerate", "pytorch-fsdp", 5), *drawn("accelerate", "torchtitan", 8, (*DENSE, *SPARSE))]
    assert len(plans) >= ENOUGH
    return plans


def parallelism(config: Any) -> Any:
    """The ParallelismConfig that `accelerate launch` makes of a configuration."""
    from accelerate.parallelism_config import ParallelismConfig

    sizes = config.parallelism_config
    return ParallelismConfig(**{f"{axis}_size": sizes[f"parallelism_config_{axis}_size"] for axis in AXES})


def test_every_plan_written_is_loaded_and_its_degrees_are_valid(loaded: Any, requests: list[Request], tmp_path: Path) -> None:
    path = tmp_path / "accelerate.yaml"
    for request in requests:
        path.write_text(export("accelerate", request).files["accelerate.yaml"])
        config, plan = loaded(str(path)), request.plan
        assert config.num_processes == request.job.cluster.gpus
        if plan.zero:
            made = parallelism(config)
            made._validate_accelerator(_Accelerator(config.num_processes))
            assert tuple(getattr(made, f"{axis}_size") for axis in AXES) == tuple(int(getattr(plan, axis)) for axis in AXES)


class _Accelerator:
    """The attributes of an Accelerator that the check reads."""

    def __init__(self, processes: int) -> None:
        self.num_processes = processes
        self.is_fsdp2 = True
        self.multi_device = True


def test_degrees_that_do_not_multiply_to_the_processes_are_refused_by_accelerate(
    loaded: Any, requests: list[Request], tmp_path: Path
) -> None:
    request = next(request for request in requests if request.plan.zero)
    path = tmp_path / "accelerate.yaml"
    path.write_text(export("accelerate", request).files["accelerate.yaml"])
    made = parallelism(loaded(str(path)))
    with pytest.raises(ValueError, match="total"):
        made._validate_accelerator(_Accelerator(2 * request.job.cluster.gpus))


def test_an_unknown_key_is_refused_by_accelerate(loaded: Any, tmp_path: Path) -> None:
    path = tmp_path / "accelerate.yaml"
    path.write_text("distributed_type: FSDP\nnum_process: 8\n")
    with pytest.raises(ValueError, match="num_process"):
        loaded(str(path))
