"""Model states of a rank against the papers and libraries they come from, and in round figures by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from planner.cost import optimizers, states
from planner.dimensions import Bytes, Count, Parameters, Stage
from planner.specs.plan import Plan
from tests.planner.cost.hand_worked import EXPERTS, FIRST_AND_LAST, round_job
from tests.planner.jobs import small

ROUND = round_job()
WEIGHTS, NONE = Parameters(10.0), Parameters(0.0)


def at(value: Any) -> list[float]:
    """The values of a column, or of stages, as plain numbers."""
    return [float(x) for x in np.asarray(value, float).reshape(-1)]


@pytest.mark.parametrize(("state", "width"), [("", 12), ("4", 12), ("2", 8)])
def test_states_have_the_width_they_are_set_to(state: str, width: int) -> None:
    """AdamW's two states take the bytes they are set to, 4 each where nobody says; the fp32 master copy stays."""
    assert optimizers.optimizer_width(small(state_bytes=state)) == width


@pytest.mark.parametrize(
    ("ranks", "os", "os_g", "os_g_p"),
    [(4, 52.5, 41.25, 30.0), (16, 35.625, 21.5625, 7.5), (64, 31.40625, 16.640625, 1.875), (1024, 30.087890625, 15.1025390625, 0.1171875)],
)
def test_zeros_table_1_is_met(ranks: int, os: float, os_g: float, os_g_p: float) -> None:
    """Rajbhandari et al. 2020, Table 1 (from memory): 7.5 billion parameters, 2 + 2 + 12 bytes each, take 120 GB whole; 52.5,
    41.3 and 30.0 GB on 4 ranks, 31.4, 16.6 and 1.88 on 64: 4 P + 12 P / N, 2 P + 14 P / N and 16 P / N."""
    job, weights = round_job(gradient_bytes=2), Parameters(7.5e9)
    for zero, expected in enumerate((120.0, os, os_g, os_g_p)):
        plan, size = Plan(dp=ranks, zero=zero).column(), Count(ranks if zero else 1)
        parts = [states.parameter_bytes(job, plan, weights, size), states.gradient_memory(job, plan, weights, size, NONE)]
        parts.append(states.optimizer_bytes(job, plan, Stage(0), weights, size, NONE, NONE))
        assert sum(float(np.asarray(part).max()) for part in parts) == pytest.approx(expected * 1e9)


def test_fsdp_in_a_pipeline_keeps_weights_and_gradients_whole() -> None:
    """FSDP2 gathers and reduces once a step there: 2 · 10 and 4 · 10 bytes, where without a pipeline 8 ranks divide them; its fp32
    parameters serve as their master copies, so that sharded weights take nothing more."""
    waits = round_job(stack={"pipeline_syncs_once": True})
    for pp, weights, gradients in ((1, 20 / 8, 40 / 8), (2, 20, 40)):
        plan = Plan(pp=pp, dp=8, dp_shard=8, zero=3).column()
        assert at(states.parameter_bytes(waits, plan, WEIGHTS, Count(8))) == [weights]
        assert at(states.gradient_memory(waits, plan, WEIGHTS, Count(8), NONE)) == [gradients]
        assert at(states.parameter_bytes(ROUND, plan, WEIGHTS, Count(8))) == [20 / 8]
    no_copy = round_job(stack={"master_is_parameter": True})
    assert at(states.parameter_bytes(no_copy, Plan(dp=8, dp_shard=8, zero=3).column(), WEIGHTS, Count(8))) == [0]


def test_buckets_of_16_bit_gradients_are_there_for_several_replicas() -> None:
    """In addition to 4 bytes per gradient 2 more with two replicas, none with one, and they are not sharded: 10 · (4 / 2 + 2)."""
    job = round_job(stack={"bucket_gradient_bytes": 2.0})
    assert at(states.gradient_memory(job, Plan(dp=2, dp_shard=2, zero=2).column(), WEIGHTS, Count(2), NONE)) == [40]
    assert at(states.gradient_memory(job, Plan().column(), WEIGHTS, Count(1), NONE)) == [40]
    early = replace(job, stack=replace(job.stack, steps_in_backward=True), optimizer_in_backward=True)  # of a table of 3 parameters
    assert at(states.gradient_memory(early, Plan().column(), WEIGHTS, Count(1), Parameters(3.0))) == [3 * job.gradient_bytes]


@pytest.mark.parametrize(
    ("optimizer", "state", "master", "expected"),
    [("adamw", 4, 4.0, 4 + 2 * 4), ("lion", 4, 4.0, 4 + 4), ("sgd", 4, 4.0, 4 + 4), ("adamw", 2, 2.0, 2 + 2 * 2)],
)
def test_an_optimizers_states_are_its_moments_and_its_master_copy(optimizer: str, state: int, master: float, expected: float) -> None:
    """Transformer Math 101, "Optimizer States": AdamW two moments, SGD one, each in its width, and the master copy."""
    job = round_job(optimizer=optimizer, state_bytes=state, stack={"master_bytes": master})
    assert optimizers.optimizer_width(job) == expected
    assert at(states.optimizer_bytes(job, Plan(dp=5, zero=1).column(), Stage(0), WEIGHTS, Count(5), NONE, NONE)) == [expected * 10 / 5]


def test_offloaded_optimizer_states_are_elsewhere() -> None:
    """60 bytes on the device, 0 offloaded."""
    assert states.resident_optimizer(ROUND, Bytes(60.0)) == 60
    assert states.resident_optimizer(round_job(offload_optimizer=True), Bytes(60.0)) == 0


def test_grouped_products_have_workspaces_since_hopper() -> None:
    """11 bytes; 13 more for routed experts, not on Ampere or Volta."""
    experts = {"model": EXPERTS}
    assert states.workspaces(ROUND) == 11
    assert states.workspaces(round_job(**experts)) == 11 + 13
    assert [states.workspaces(round_job(**experts, gpu={"arch": arch})) for arch in ("ampere", "volta")] == [11, 11]


def test_a_parameter_in_fp32_is_the_master_copy() -> None:
    """16-bit weights exist in addition where FSDP gathers them for good (ZeRO-2): 2 · 10; below, autocast casts them when they are
    used. Trained whole in 16 bits there is no master copy, and weights take 2 · 10, or a fifth on each of five ranks."""
    fp32 = round_job(stack={"master_is_parameter": True})
    narrow = round_job(stack={"master_is_parameter": True}, master_bytes=0, state_bytes=2)
    for zero, copies, whole in ((0, 0, 20), (1, 0, 20), (2, 20, 20), (3, 0, 4)):
        plan = Plan(dp=5, dp_shard=5, zero=zero).column()
        assert at(states.parameter_bytes(fp32, plan, WEIGHTS, Count(5))) == [copies]
        assert at(states.parameter_bytes(narrow, plan, WEIGHTS, Count(5))) == [whole]
    assert optimizers.optimizer_width(narrow) == 4


def test_the_gradient_of_the_head_comes_first() -> None:
    """4 · 500 bytes on the last stage, a quarter of it where four ranks share gradients."""
    plan = Plan(pp=2, dp=4, dp_shard=4).column()
    assert at(states.head_gradient(ROUND, plan, FIRST_AND_LAST, Parameters(500.0), Count(4))) == [0, 2000]
    assert at(states.head_gradient(ROUND, plan.with_(zero=np.array([2])), Stage(1), Parameters(500.0), Count(4))) == [500]


def test_a_step_over_lists_of_tensors_has_temporaries() -> None:
    """The denominators of all 10 updates of AdamW in the type of the states, over 5 ranks from ZeRO-1 on; a fused kernel has none."""
    lists = round_job(foreach=True)
    assert at(states.step_temporaries(lists, Plan(dp=5).column(), WEIGHTS, Count(5), NONE, Bytes(0.0))) == [40]
    assert at(states.step_temporaries(lists, Plan(dp=5, dp_shard=5, zero=1).column(), WEIGHTS, Count(5), NONE, Bytes(0.0))) == [8]
    narrow, alone = round_job(foreach=True, state_bytes=2), Plan().column()
    assert at(states.step_temporaries(narrow, alone, WEIGHTS, Count(1), NONE, Bytes(0.0))) == [20]
    for job in (ROUND, round_job(foreach=True, optimizer="sgd")):
        assert at(states.step_temporaries(job, alone, WEIGHTS, Count(1), NONE, Bytes(0.0))) == [0]


def test_gradients_in_16_bits_are_copied_for_a_step_on_fp32_states() -> None:
    """Megatron: 4 · 10, over 5 ranks; with narrower states or a master copy as a remainder nothing is copied."""
    plan = Plan(dp=5, dp_shard=5, zero=1).column()
    narrow = round_job(stack={"main_gradients": True}, gradient_bytes=2, master_bytes=4)
    assert at(states.step_temporaries(narrow, plan, WEIGHTS, Count(5), NONE, Bytes(0.0))) == [8]
    for other in (replace(narrow, gradient_bytes=4), replace(narrow, master_bytes=2), replace(narrow, state_bytes=2)):
        assert at(states.step_temporaries(other, plan, WEIGHTS, Count(5), NONE, Bytes(0.0))) == [0]


def test_casts_of_weights_are_stored_by_rows_and_by_columns() -> None:
    """TransformerEngine: 2 bytes of 10 weights without 3 of the embedding and 2 of the head, and of 20 of routed experts; 1.125 in 4 bits;
    8-bit parameters are their casts; other stacks and sharded weights store none."""
    plan, stack = Plan(pp=2, dp=5, dp_shard=5, zero=1).column(), {"narrow_kept": True}
    weights = WEIGHTS, Parameters(20.0), Parameters(3.0), Parameters(2.0)
    narrow = round_job(stack=stack, gpu={"flops_fp4": 4e9}, precision="fp8")
    assert at(states.cast_bytes(narrow, plan, FIRST_AND_LAST, *weights)) == [54, 56]
    assert at(states.cast_bytes(replace(narrow, precision="fp4"), plan, FIRST_AND_LAST, *weights)) == [1.125 * 27, 1.125 * 28]
    assert at(states.cast_bytes(narrow, plan.with_(zero=np.array([3])), FIRST_AND_LAST, *weights)) == [0, 0]
    usual = round_job(stack=stack | {"usual_fp8_parameters": True}, precision="fp8")
    for other in (replace(narrow, fp8_parameters=True), usual, round_job(precision="fp8"), round_job(stack=stack)):
        assert states.cast_width(other) == 0
    assert states.stored_weights(Bytes(20.0), Bytes(54.0)) == 74


def test_states_are_summed() -> None:
    """Each part another digit."""
    digits = [Bytes(float(10**i)) for i in range(4)]
    assert states.static_bytes(*digits) == 1_111
    assert states.all_gradients(*digits[:2]) == 11


def test_gradients_that_come_after_the_first_layers_mlp() -> None:
    """Those of a layer of 10 and of an embedding of 30 in 4 bytes, of the latter not if it is tied; under ZeRO-3 with a root unit those
    of the second layer and of a head of 20 too, over two ranks; none where buffers stay."""
    sizes, one, two = (Parameters(10.0), Parameters(30.0), Parameters(20.0)), Plan().column(), Plan(dp=2, dp_shard=2, zero=3).column()
    freed = {"gradients_stay": False}
    assert at(states.late_gradients(round_job(stack=freed), one, FIRST_AND_LAST, *sizes, Count(1))) == [160, 40]
    assert at(states.late_gradients(round_job(stack=freed, model={"tied": True}), one, Stage(0), *sizes, Count(1))) == [40]
    root = round_job(stack=freed | {"root_gathered": True})
    assert at(states.late_gradients(root, two, Stage(0), *sizes, Count(2))) == [4 * (10 + 10 + 20 + 30) / 2]
    assert at(states.late_gradients(round_job(), one, Stage(0), *sizes, Count(1))) == [0]
