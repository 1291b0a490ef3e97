"""The rules that the options of memory add: the plans that they leave, and that nothing is refused without the options."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from planner.dimensions import Flag
from planner.document.inputs import Value
from planner.document.space import Space
from planner.search.rules import RULES
from planner.search.search import search
from planner.specs.job import Job
from planner.specs.plan import Plan
from tests.planner.jobs import allowed, example, small

FSDP: dict[str, Value] = {"stack": "pytorch-fsdp", "gpus": 8, "global_batch": 16}
KEYS = ("in_backward", "in_backward_pipeline", "offload_parameters", "fp8_parameters", "muon")


def alone(plan: Plan) -> Flag:
    """Whether each plan has a single data- and context-parallel rank."""
    return plan.dp * plan.cp == 1


@pytest.mark.parametrize(
    ("key", "usual", "option"),
    [
        ("in_backward", FSDP, {"optimizer_in_backward": True}),
        ("in_backward_pipeline", {"stack": "torchtitan", "global_batch": 16}, {"optimizer_in_backward": True}),
        ("offload_parameters", FSDP, {"offload_parameters": True}),
        ("fp8_parameters", {"precision": "fp8"}, {"fp8_parameters": True}),
        ("muon", {}, {"optimizer": "muon"}),
        ("muon", {}, {"optimizer": "muon-sharded"}),
    ],
)
def test_a_rule_leaves_the_plans_that_can_run_with_an_option(key: str, usual: dict[str, Value], option: dict[str, Value]) -> None:
    """Of the plans without an option its rule refuses those that cannot run with it, and no other."""
    plan, _ = allowed(small(**usual))
    job = small(**usual | option)
    expected = {
        "in_backward": plan.dp * plan.micro_batch == job.global_batch, "in_backward_pipeline": plan.pp == 1,
        "offload_parameters": (plan.zero == 3) | alone(plan), "fp8_parameters": (plan.zero > 0) | alone(plan),
        "muon": plan.zero == 0 if job.optimizer == "muon" else (plan.zero > 0) | alone(plan),
    }[key]  # fmt: skip
    (rule,) = (rule for rule in RULES if rule.key == key)
    assert np.array_equal(rule.allowed(job, plan), expected) and not np.all(expected)


def test_no_rule_of_an_option_refuses_a_plan_without_it() -> None:
    """Without the options their rules allow every plan."""
    job: Job = small()
    plan, refused = allowed(job)
    assert not set(KEYS) & set(refused)
    assert all(np.all(rule.allowed(job, plan)) for rule in RULES if rule.key in KEYS)


def test_all_activations_may_be_offloaded() -> None:
    """With the activations of every layer in host memory recomputing layers frees nothing, and no figure is infinite."""
    result = search(small(offload_activations=100.0), Space())
    assert len(result) and np.all(np.isfinite(result.memory_bytes)) and np.all(np.isfinite(result.step_seconds))


def test_xla_replicates_one_head_of_keys_and_pads_sequences() -> None:
    """tp 12 divides neither one kv-head nor 2,048 tokens: MaxText takes both, but not eight kv-heads; Megatron-Core refuses them."""
    plan = Plan(tp=12, dp=512, sequence_parallel=1)
    heads, tokens = (next(rule for rule in RULES if rule.key == key) for key in ("kv_heads", "sequence_sp"))
    palm = example(model="palm-540b", gpu="tpu-v4", gpus=6144, stack="maxtext", sequence=2048)
    assert heads.allowed(palm, plan) and tokens.allowed(palm, plan)
    eight = replace(palm, model=replace(palm.model, kv_heads=8))
    assert not heads.allowed(eight, plan)
    assert not tokens.allowed(example(model="palm-540b", sequence=2048), plan)
