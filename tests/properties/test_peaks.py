"""No kernel exceeds the peak of its units or the memory bandwidth, so that no utilization exceeds 100 %, for all field values."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from planner import presets
from planner.cost import compute
from planner.cost.compute import attended
from planner.cost.elementwise import elementwise_bytes
from planner.cost.schedule import needed_flops
from planner.dimensions import Number, Parameters, Tokens
from planner.document.space import Space
from planner.errors import TmplanError
from planner.report.columns import BY_KEY
from planner.search.axes import divisors
from planner.search.search import search
from planner.specs.job import Job
from planner.specs.plan import Plan
from planner.specs.products import FORMATS
from tests.planner.jobs import example
from tests.properties.strategies import SETTINGS

FIGURES = {
    "tflops_bf16": (1e-3, 1e8),
    "tflops_fp8": (1e-3, 1e8),
    "hbm_gb_s": (0.1, 1e7),
    "link_gb_s": (1e-3, 1e6),
    "nic_gbit_s": (1e-3, 8e6),
}
CHOICES = {
    "gpu": presets.names("gpus"), "stack": presets.names("stacks"), "precision": ("bf16", "fp16", "fp8", "fp4"),
    "model": ("llama-3.2-1b", "gpt2-124m", "gemma-2-2b", "qwen3-30b-a3b", "deepseek-v2-lite-16b"), "gpus": (1, 8, 16),
    "attention": ("flash-1", "flash-2", "flash-3", "fused-softmax"), "sequence": (1, 512, 1024), "global_batch": (8, 64, 4096),
    "capacity": (0.0, 0.01, 1.25), "tuning": ("full", "full", "lora"),
}  # fmt: skip


@st.composite
def fielded(draw: st.DrawFn) -> Job:
    """Jobs whose GPU has some figures set to any valid value, on a cluster of any pace."""
    values: dict[str, object] = {key: draw(st.sampled_from(among)) for key, among in CHOICES.items()}
    for key in draw(st.lists(st.sampled_from(sorted(FIGURES)), unique=True)):
        values[key] = float(np.exp(draw(st.floats(*np.log(FIGURES[key]).tolist()))))
    values["memory_gib"] = 1e5
    try:
        job = example(**values)
    except TmplanError:
        assume(False)
    window = draw(st.sampled_from((0, 64)))
    wide = replace(job.model, max_positions=2**20, sliding_window=window)
    pace = draw(st.sampled_from((1.0, 0.05, 20.0)))
    return replace(job, model=wide, cluster=replace(job.cluster, pace=pace), sequence=job.sequence * draw(st.sampled_from((1, 256))))


@settings(SETTINGS, max_examples=60)
@given(fielded())
def test_no_plan_uses_more_than_the_peak(job: Job) -> None:
    """The MFU of every plan is between 0 and 1; without attention and dropped tokens it is at most 1 without clipping."""
    result = search(job, Space().with_("micro_batch", "<=8"))
    rows = np.arange(len(result))[:: max(1, len(result) // 500)]
    assume(len(rows))
    numbers = result.estimate(rows)
    mfu = BY_KEY["mfu"].values(numbers)
    assert (mfu >= 0).all() and (mfu <= 1).all()
    model, tokens = job.model, float(job.global_batch) * job.sequence
    square = 12.0 * (model.layers + model.mtp_layers) * model.heads * (model.key_dim + model.value_dim) * attended(model, job.sequence)
    products = needed_flops(job) - square * tokens
    assert job.capacity or (products / (numbers.step * job.cluster.gpus * job.cluster.gpu.peak(job.precision)) <= 1 + 1e-12).all()


@settings(SETTINGS, max_examples=60)
@given(fielded(), st.tuples(*[st.integers(1, 2**18)] * 3))
def test_no_kernel_runs_above_its_peak(job: Job, shape: tuple[int, int, int]) -> None:
    """Matrix products: the peak of their units and, owing to caches, twice the bandwidth; attention: the bf16 peak; others: bandwidth."""
    gpu, (m, n, k), pace = job.cluster.gpu, shape, compute.pace(job)
    for numbers in {"bf16", job.numbers}:
        seconds = pace * compute.gemm_seconds(gpu, numbers, Number(m), Number(n), Number(k))
        assert 2.0 * m * n * k / seconds <= gpu.units(numbers) * (1 + 1e-12)
        assert (max(2.0, FORMATS[numbers]) * m * n + FORMATS[numbers] * (n * k + m * k)) / seconds <= 2.001 * gpu.hbm_bytes_s / pace
    plan, tokens = Plan(micro_batch=int(divisors(job.global_batch)[-1])), float(job.sequence)
    flops = compute.attention_flops(job, plan, Tokens(tokens))
    assert flops / (pace * compute.attention_forward(job, plan, Tokens(tokens), flops)) <= gpu.flops_bf16 * (1 + 1e-12)
    moved = tokens * elementwise_bytes(job, plan, backward=False)
    assert moved / (pace * compute.elementwise_forward(job, plan, Tokens(tokens), Parameters(0.0))) <= gpu.hbm_bytes_s * (1 + 1e-12)


def test_narrow_peaks_follow_the_16_bit_one_unless_they_are_set() -> None:
    """An H100 set to 1 TFLOP/s in bf16 has 2 in fp8, by the ratio of its units, not 1,979; a set fp8 peak is used unchanged."""
    slow = example(model="llama-3.1-8b", gpus=8, tflops_bf16=1.0, precision="fp8").cluster.gpu
    assert slow.flops_fp8 == pytest.approx(2e12, rel=0.01)
    assert example(tflops_bf16=1.0, tflops_fp8=3.0).cluster.gpu.flops_fp8 == 3e12
    assert example(gpu="b200", tflops_bf16=1.0).cluster.gpu.flops_fp4 == pytest.approx(4e12)
    assert example(tflops_fp8=3.0).cluster.gpu.flops_bf16 == 989e12
