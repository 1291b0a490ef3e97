"""Exports for DeepSpeed, checked with DeepSpeedConfig."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from planner.exporters.registry import Request, export
from tests.oracle.plans import ENOUGH, drawn

pytestmark = [pytest.mark.oracle, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def parsed() -> Iterator[Any]:
    """DeepSpeed's parser of a configuration and a number of data-parallel ranks; the test is skipped if it is not installed."""
    os.environ.setdefault("DS_ACCELERATOR", "cpu")
    config = pytest.importorskip("deepspeed.runtime.config", reason="deepspeed is not installed; the extra `oracles` has it")

    def parse(values: dict[str, Any], ranks: int) -> Any:
        class Ranks:
            """The methods of a model parallel unit that the configuration calls."""

            @staticmethod
            def get_data_parallel_world_size() -> int:
                return ranks

        return config.DeepSpeedConfig(values, mpu=Ranks())

    import deepspeed.comm as dist

    initialised, rank = dist.is_initialized, dist.get_rank
    dist.is_initialized, dist.get_rank = lambda: True, lambda group=None: 0
    yield parse
    dist.is_initialized, dist.get_rank = initialised, rank


@pytest.fixture(scope="module")
def requests() -> list[Request]:
    """Plans of the stack deepspeed."""
    plans = list(drawn("deepspeed", "deepspeed", 12))
    assert len(plans) >= ENOUGH
    return plans


def written(request: Request) -> dict[str, Any]:
    """The exported configuration."""
    config = json.loads(export("deepspeed", request).files["ds_config.json"])
    assert isinstance(config, dict)
    return config


def test_every_plan_written_is_read_as_it_is(parsed: Any, requests: list[Request]) -> None:
    for request in requests:
        plan, made = request.plan, parsed(written(request), int(request.plan.dp))
        assert (made.train_batch_size, made.train_micro_batch_size_per_gpu) == (request.job.global_batch, plan.micro_batch)
        assert (made.zero_optimization_stage, made.tensor_parallel_config.autotp_size) == (plan.zero, plan.tp if plan.tp > 1 else 0)


BROKEN = [
    ("batch", {"gradient_accumulation_steps": 3}),
    ("zero_known", {"zero_optimization": {"stage": 4}}),
    ("precision", {"fp16": {"enabled": True}, "bf16": {"enabled": True}}),
    ("an unknown key of ZeRO", {"zero_optimization": {"stage": 1, "zero_hpz_partition": 8}}),
]


@pytest.mark.parametrize(("rule", "changed"), BROKEN, ids=[rule for rule, _ in BROKEN])
def test_what_breaks_a_rule_is_refused_by_deepspeed(parsed: Any, requests: list[Request], rule: str, changed: dict[str, Any]) -> None:
    request = requests[0]
    with pytest.raises((AssertionError, ValueError)):
        parsed({**written(request), **changed}, int(request.plan.dp))
