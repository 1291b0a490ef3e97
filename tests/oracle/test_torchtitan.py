"""Exports for torchtitan, checked with its ConfigManager, its ParallelDims and its split into pipeline stages.

Version 0.2.x reads the TOML file, 0.3 the Python module.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from planner.exporters.registry import Request, export, target
from planner.specs.plan import Plan
from tests.oracle.plans import ENOUGH, drawn

pytestmark = [pytest.mark.oracle, pytest.mark.filterwarnings("ignore")]
MODELS = ("llama-3.1-8b", "llama-3.1-70b", "qwen3-8b", "qwen3-32b", "qwen3-30b-a3b", "deepseek-v2-lite-16b", "deepseek-v3-671b")


@pytest.fixture(scope="module")
def later() -> bool:
    """Whether torchtitan is 0.3; the test is skipped if it is not installed."""
    pytest.importorskip("torchtitan", reason="torchtitan is not installed; the extra `oracles` has it")
    return importlib.metadata.version("torchtitan").split(".")[:2] >= ["0", "3"]


@pytest.fixture(scope="module")
def requests(later: bool) -> list[Request]:
    """Plans of the stack torchtitan that the installed version can run."""
    every = drawn("torchtitan", "torchtitan", 16, MODELS)
    plans = [request for request in every if not later or "train.py" in export("torchtitan", request).files]
    assert len(plans) >= ENOUGH
    return plans


def parsed(request: Request, folder: Path, later: bool, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The configuration that torchtitan parses from an export."""
    files = export("torchtitan", request).files
    if not later:
        (folder / "train.toml").write_text(files["train.toml"])
        manager = importlib.import_module("torchtitan.config").ConfigManager()
        return manager.parse_args(["--job.config_file", str(folder / "train.toml")])
    (folder / "train.py").write_text(files["train.py"])
    monkeypatch.syspath_prepend(str(folder))
    sys.modules.pop("train", None)
    importlib.invalidate_caches()
    manager = importlib.import_module("torchtitan.config.manager").ConfigManager()
    return manager.parse_args(["--module", "train", "--config", "tmplan"])


@pytest.fixture(scope="module")
def read(later: bool, requests: list[Request], tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[tuple[Request, Any]]]:
    """Every plan with its configuration in torchtitan."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("torchtitan")
        yield [(request, parsed(request, folder, later, patch)) for request in requests]


def dims(config: Any, world: int, later: bool) -> Any:
    """The ParallelDims of a configuration."""
    kind = importlib.import_module("torchtitan.distributed.parallel_dims").ParallelDims
    if later:
        return kind.from_config(config.parallelism, world)
    parallelism = config.parallelism
    return kind(
        dp_replicate=parallelism.data_parallel_replicate_degree, dp_shard=parallelism.data_parallel_shard_degree,
        cp=parallelism.context_parallel_degree,
        tp=parallelism.tensor_parallel_degree, pp=parallelism.pipeline_parallel_degree, ep=parallelism.expert_parallel_degree,
        etp=parallelism.expert_tensor_parallel_degree, world_size=world,
    )  # fmt: skip


def degrees(plan: Plan) -> dict[str, int]:
    """The degrees of a plan by the names of ParallelDims."""
    names = ("cp", "tp", "pp", "ep")
    return {name: int(getattr(plan, name)) for name in names} | {"dp_replicate": int(plan.dp_replicate), "dp_shard": int(plan.dp_shard)}


def test_every_plan_written_is_read_and_its_degrees_fill_the_ranks(later: bool, read: list[tuple[Request, Any]]) -> None:
    for request, config in read:
        made = dims(config, request.job.cluster.gpus, later)
        plan = request.plan
        assert {name: getattr(made, name) for name in degrees(plan)} == degrees(plan)
        assert (config.training.seq_len, config.training.global_batch_size) == (request.job.sequence, request.job.global_batch)
        assert config.training.local_batch_size * plan.dp <= request.job.global_batch


def test_every_pipeline_written_is_cut_into_the_stages_of_the_plan(read: list[tuple[Request, Any]]) -> None:
    pipelines = [(request, config) for request, config in read if request.plan.pp > 1]
    assert len(pipelines) >= 20
    module = importlib.import_module("torchtitan.distributed.pipeline_parallel")
    schedules = importlib.import_module("torch.distributed.pipelining.schedules")
    for request, config in pipelines:
        parallelism, layers, chunks = config.parallelism, request.job.model.layers, int(request.plan.pp * request.plan.vpp)
        single = issubclass(schedules.get_schedule_class(parallelism.pipeline_parallel_schedule), schedules.PipelineScheduleSingle)
        assert single == (request.plan.vpp == 1)
        if parallelism.module_fqns_per_model_part:
            assert len(parallelism.module_fqns_per_model_part) == chunks
        elif parallelism.pipeline_parallel_layers_per_stage:
            assert -(-(layers + 2) // parallelism.pipeline_parallel_layers_per_stage) == chunks
        else:
            assert request.plan.vpp == (1 if single else 2)
        first, last = parallelism.pipeline_parallel_first_stage_less_layers, parallelism.pipeline_parallel_last_stage_less_layers
        cut = getattr(module, "_generate_llm_fqn_per_model_part", None) or module.generate_llm_fqn_per_model_part
        assert len(cut(chunks, layers, first, last)) == chunks


def test_degrees_that_do_not_fill_the_ranks_are_refused_by_both(later: bool, read: list[tuple[Request, Any]]) -> None:
    request, config = next((request, config) for request, config in read if request.plan.dp_shard > 1)
    broken = Request(request.job, Plan(**{**vars(request.plan), "dp": 2 * request.plan.dp, "dp_shard": 2 * request.plan.dp_shard}))
    assert target("torchtitan").refusals(broken)
    with pytest.raises(AssertionError, match="WORLD_SIZE"):
        dims(config, 2 * request.job.cluster.gpus, later)


def test_more_stages_than_layers_are_refused_by_both(later: bool, requests: list[Request]) -> None:
    request = next(request for request in requests if request.plan.pp > 1)
    layers = request.job.model.layers
    assert target("torchtitan").refusals(Request(request.job, Plan(**{**vars(request.plan), "vpp": layers})))
    module = importlib.import_module("torchtitan.distributed.pipeline_parallel")
    cut = getattr(module, "_generate_llm_fqn_per_model_part", None) or module.generate_llm_fqn_per_model_part
    with pytest.raises(ValueError, match="stages"):
        cut(layers * int(request.plan.pp), layers, 1, 1)
