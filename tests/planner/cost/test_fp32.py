"""Training in fp32 and tf32: rates of the GPU's units, and 4 bytes per weight, gradient, state and activation."""

from __future__ import annotations

from dataclasses import replace

import pytest

from planner.cost import compute, memory, states, tensor_parallel
from planner.cost.evaluate import evaluate
from planner.dimensions import Number, Parameters, Tokens
from planner.errors import FieldError
from planner.runs.predict import predict
from planner.specs.job import Job
from planner.specs.plan import Plan
from tests.planner.calibration.step_files import ROW
from tests.planner.jobs import small

WIDE = ("tf32", "fp32")


def wide(precision: str) -> Job:
    """A dense job in this precision, its weight the master copy."""
    return replace(small(), precision=precision, master_bytes=0)


@pytest.mark.parametrize("precision", WIDE)
def test_products_have_the_rate_of_the_units_of_the_precision(precision: str) -> None:
    """A large product takes longer than in bf16 by the ratio of the peaks, and stays below its peak."""
    gpu = small().cluster.gpu
    slower = gpu.flops_bf16 / gpu.units(precision)
    n = Number(65_536)
    ratio = compute.gemm_seconds(gpu, precision, n, n, n) / compute.gemm_seconds(gpu, "bf16", n, n, n)
    assert ratio == pytest.approx(slower, rel=1e-3)
    assert compute.product_rate(gpu, precision) <= gpu.units(precision)


@pytest.mark.parametrize("precision", WIDE)
def test_weights_activations_and_messages_have_twice_the_bytes(precision: str) -> None:
    """Of a layer all but masks and the log-sum-exp double, and so do stored weights and the messages of tensor parallelism."""
    narrow, job, plan, tokens = small(), wide(precision), Plan(tp=8, dp=4), Tokens(4096)
    one, two = memory.activation_terms(narrow, plan), memory.activation_terms(job, plan)
    assert all(two[name] == (1 if name in ("dropout_masks", "scores") else 2) * one[name] for name in one)
    assert tensor_parallel.tp_message(job, tokens) == 2 * tensor_parallel.tp_message(narrow, tokens)
    weights, shard = Parameters(1e9), Number(4)
    assert states.parameter_bytes(job, plan, weights, shard) == 4e9 == 2 * states.parameter_bytes(narrow, plan, weights, shard)
    assert evaluate(job, plan.column()).step > evaluate(narrow, plan.column()).step


def test_what_cannot_be_in_fp32_is_refused_with_what_can() -> None:
    """A master copy, autocast and a GPU without such units are refused."""
    with pytest.raises(FieldError, match="set master_bytes to 0"):
        replace(small(), precision="fp32")
    with pytest.raises(FieldError, match="autocast computes in 16 bits"):
        replace(wide("fp32"), autocast=True)
    job = small()
    without = replace(job.cluster, gpu=replace(job.cluster.gpu, flops_tf32=0.0))
    with pytest.raises(FieldError, match="has no tf32 units"):
        replace(job, cluster=without, precision="tf32", master_bytes=0)


def test_runs_in_fp32_are_predicted() -> None:
    """A row in fp32 is slower and larger than in bf16, and adapters on fp32 weights are modelled with products in bf16."""
    bf16, fp32, tf32 = predict([ROW | {"dtype": dtype} for dtype in ("bf16", "float32", "tf32")])
    assert bf16["step_seconds"] < tf32["step_seconds"] < fp32["step_seconds"]
    assert max(bf16["stage_allocated_gib"]) < max(fp32["stage_allocated_gib"]) == max(tf32["stage_allocated_gib"])
    lora = predict([ROW | {"dtype": "fp32", "finetune": "lora", "framework": "Hugging Face Trainer", "tp": "1", "pp": "1", "dp": ""}])[0]
    assert lora["assumed"]["dtype"] == "bf16"
