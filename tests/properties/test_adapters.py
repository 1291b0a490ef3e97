"""Adapters take no more memory than full training, no more time if no matrix is divided, and a higher rank takes no less."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.cost.evaluate import evaluate, stages
from planner.dimensions import Array
from planner.document.space import Space
from planner.search.search import search
from planner.specs.job import Job
from planner.specs.plan import Plan
from tests.planner.jobs import mixture, small

JOBS = (small(), small(stack="deepspeed"), small(stack="pytorch-fsdp"), small(stack="torchtitan"), mixture(), mixture(stack="torchtitan"))
RESULTS = [search(job, Space()) for job in JOBS]


def tuned(job: Job, tuning: str, rank: int, targets: str) -> Job:
    """The job with adapters, if its stack and model support them; else with LoRA on attention, which all support."""
    if job.model.experts or tuning not in job.stack.tunings:
        tuning, targets = "lora", "attention" if job.model.experts else targets
    return replace(job, tuning=tuning, lora_rank=rank, lora_targets=targets)


def live(job: Job, plan: Plan) -> Array:
    """Live tensors other than activations; bytes, stages x phases."""
    return np.array([[float(parts.total - parts.activations) for parts in stage.phases.values()] for stage in stages(job, plan)])


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(0, len(JOBS) - 1), st.sampled_from(["lora", "qlora"]), st.integers(1, 32),
       st.sampled_from(["attention", "query-value", "all"]))  # fmt: skip
def test_adapters_never_take_more_than_the_whole_model(data: st.DataObject, which: int, tuning: str, rank: int, targets: str) -> None:
    """Memory of the same plan, whether it fits or not; and the step without dequantization, with tp 1 and 1F1B.

    transformers' layers keep more with adapters, which are in fp32 and cast their inputs: of a plan with them, in every phase and on every
    stage, live tensors other than activations are compared.
    The undivided matrix of an adapter costs the same for every tp, and zero-bubble schedules fill bubbles with weight gradients, which
    frozen weights do not have. Adapters in fp32 take more element-wise work than the gradients of weights.
    """
    result = RESULTS[which]
    rows = np.array(data.draw(st.lists(st.integers(0, len(result) - 1), min_size=1, max_size=8)))
    plans, job = result.plans(rows), tuned(JOBS[which], tuning, rank, targets)
    whole, adapted = evaluate(JOBS[which], plans), evaluate(job, plans)
    if job.stack.transformers_layers:
        pairs = ((live(JOBS[which], plans.one(i)), live(job, plans.one(i))) for i in range(len(plans)))
        assert all(np.all(less <= most * (1 + 1e-9)) for most, less in pairs)
    else:
        assert np.all(adapted.memory <= whole.memory * (1 + 1e-9))
    plain = (plans.tp == 1) & (plans.schedule == 0) & (job.tuning == "lora") & (not job.stack.wide_adapters)
    assert np.all(adapted.step[plain] <= whole.step[plain] * (1 + 1e-9))
    assert np.all(np.isfinite(adapted.step)) and np.all(adapted.step > 0)
    assert adapted.memory == pytest.approx(sum(adapted.memory_parts.named().values()), rel=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.data(), st.integers(0, len(JOBS) - 1), st.integers(1, 512), st.sampled_from(["attention", "query-value", "all"]))
def test_a_higher_rank_never_takes_less(data: st.DataObject, which: int, rank: int, targets: str) -> None:
    """Neither memory nor time decreases with the rank."""
    rows = np.array([data.draw(st.integers(0, len(RESULTS[which]) - 1))])
    plans = RESULTS[which].plans(rows)
    low, high = (evaluate(tuned(JOBS[which], "qlora", r, targets), plans) for r in (rank, 2 * rank))
    assert high.memory[0] >= low.memory[0] * (1 - 1e-12) and high.step[0] >= low.step[0] * (1 - 1e-12)
