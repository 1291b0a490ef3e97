"""Memory traffic of element-wise work."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from planner.cost import compute
from planner.cost.elementwise import elementwise_bytes, launches
from planner.dimensions import Parameters, Tokens
from planner.specs.plan import Plan
from tests.planner.cost.hand_worked import round_job
from tests.planner.jobs import small

LATENT = {"kv_rank": 20, "q_rank": 30, "rope_dim": 5, "v_dim": 6}


def one(column: object) -> float:
    """The one value of a column."""
    return float(np.ravel(np.asarray(column))[0])


def test_elementwise_work_moves_what_it_reads_and_writes() -> None:
    """A layer of Llama 3.1 8B moves, a token, 8 h for norms, 12 h for residuals, 4 (a + k) e for positions, 6 f for SwiGLU, fused."""
    h, f, rotated = 4096, 14336, (32 + 8) * 128
    job = small()
    job = replace(job, stack=replace(job.stack, qkv_copies=0.0, unfused=()))
    forward = elementwise_bytes(job, Plan().column(), backward=False)
    backward = elementwise_bytes(job, Plan().column(), backward=True)
    assert forward == pytest.approx(8 * h + 12 * h + 4 * rotated + 6 * f)
    assert backward == pytest.approx(12 * h + 12 * h + 4 * rotated + 10 * f)
    split = elementwise_bytes(job, Plan(tp=2, sequence_parallel=1).column(), backward=False)
    assert split == pytest.approx(forward / 2)


def test_eager_layers_move_what_their_operations_read_and_write() -> None:
    """A norm of separate kernels moves 36 and 92 bytes an element, positions 20 and 32, SwiGLU 10 and 18, and the gradients of an input of
    three products, and of one of two, are added: 3 times 6 h; compiled, nothing of it."""
    h, f, rotated = 4096, 14336, (32 + 8) * 128
    job = replace(small(), kernels="eager")
    job = replace(job, stack=replace(job.stack, qkv_copies=0.0, separate_products=True))
    passes = [one(elementwise_bytes(job, Plan().column(), backward=backward)) for backward in (False, True)]
    assert passes == [72 * h + 12 * h + 20 * rotated + 10 * f, 184 * h + 12 * h + 32 * rotated + 18 * f + 18 * h]
    compiled = one(elementwise_bytes(replace(job, kernels="compiled"), Plan().column(), backward=True))
    assert compiled == 12 * h + 12 * h + 4 * rotated + 10 * f
    layernorm = replace(job, model=replace(job.model, norm="layernorm"))
    assert one(elementwise_bytes(layernorm, Plan().column(), backward=False)) == passes[0] - 64 * h


def test_copies_of_queries_keys_and_values_are_read_and_written() -> None:
    """Twice 4 bytes of each of 8 · 10 + 2 · 4 · 10 elements, divided by tp."""
    once, twice = (round_job(stack={"qkv_copies": copies}) for copies in (0.0, 2.0))
    for tp in (1, 2):
        none, two = (one(elementwise_bytes(job, Plan(tp=tp).column(), backward=False)) for job in (once, twice))
        assert two - none == 2 * 4 * 160 / tp


@pytest.mark.parametrize(
    ("model", "plan", "job", "forward", "backward"),
    [
        # norms 4 or 6 · 200, residuals 12 · 100, eager positions 20 or 32 · 12 · 10, SwiGLU 6 or 10 · 300
        ({}, Plan(), {}, 800 + 1200 + 2400 + 1800, 1200 + 1200 + 3840 + 3000),
        ({}, Plan(tp=2), {}, 800 + 1200 + 1200 + 900, 1200 + 1200 + 1920 + 1500),
        ({}, Plan(tp=2, sequence_parallel=1), {}, 400 + 600 + 1200 + 900, 600 + 600 + 1920 + 1500),
        ({"dropout": True}, Plan(), {}, 800 + 1400 + 2400 + 1800, 1200 + 1400 + 3840 + 3000),
        ({"gated": False}, Plan(), {}, 800 + 1200 + 2400 + 1200, 1200 + 1200 + 3840 + 1800),
        ({"positions": "alibi"}, Plan(), {}, 800 + 1200 + 1800, 1200 + 1200 + 3000),
        ({"qk_norm": "head"}, Plan(), {}, 800 + 1200 + 2400 + 480 + 1800, 1200 + 1200 + 3840 + 720 + 3000),
        # latents of 30 and 20 have norms; heads of 15 turn whole
        (LATENT, Plan(), {}, 1000 + 1200 + 3600 + 1800, 1500 + 1200 + 5760 + 3000),
        # into 8 bits 4 · 200 of norms and 6 · (80 + 300) / 2; gradients 6 · (200 + (160 + 600) / 2)
        ({}, Plan(tp=2), {"precision": "fp8"}, 800 + 1200 + 1200 + 900 + 1940, 1200 + 1200 + 1920 + 1500 + 3480),
    ],
)
def test_the_bytes_of_elementwise_work_by_hand(
    model: dict[str, Any], plan: Plan, job: dict[str, Any], forward: float, backward: float
) -> None:
    """Each tensor read and written once in 16 bits, positions by separate kernels; per token, then
    of 30 at the 6e7 B/s of separate kernels; backward 1,000 weights' gradients of 4 bytes read and written too, unless they are frozen."""
    given, columns = round_job(model=model, **job), plan.column()
    assert elementwise_bytes(given, columns, backward=False) == pytest.approx(forward)
    assert elementwise_bytes(given, columns, backward=True) == pytest.approx(backward)
    rate = 5e7 if model.get("positions") == "alibi" else 6e7  # without rotation every kernel is fused by hand
    assert compute.elementwise_forward(given, columns, Tokens(30.0), Parameters(0.0)) == pytest.approx(30 * forward / rate)
    weights = Parameters(1000.0)
    assert compute.elementwise_backward(given, columns, Tokens(30.0), weights) == pytest.approx((30 * backward + 2 * 4 * 1000) / rate)
    frozen = replace(given, tuning="lora", lora_targets="attention")
    assert compute.elementwise_backward(frozen, columns, Tokens(30.0), weights) == pytest.approx(30 * backward / rate)


def test_launches_of_a_layer_of_transformers() -> None:
    """Forward 7 products, attention, 16 kernels of norms, 2 residuals, 10 of positions, 2 of SwiGLU: 38 (39 in its code, with a copy);
    backward 7 times 3, 3, 32, 2, 16, 3, and 3 gradients added: 80. Adapters on 4 matrices add 5 and 8 each, in fp32 9 and 12, on
    weights in 4 bits 8 and 10 and 3 for each of 7 weights, and save the weights' gradients; hooks on 9 weights 20 each."""
    traits: dict[str, Any] = {"separate_products": True, "qkv_copies": 0.0, "fsdp_units": False, "root_gathered": False}
    job = replace(small(), kernels="eager", stack=replace(small().stack, tunings=("full", "lora"), **traits))
    plan = Plan().column()
    assert [one(launches(job, plan, backward)) for backward in (False, True)] == [38, 80]
    adapted = replace(job, tuning="lora")
    assert [one(launches(adapted, plan, backward)) for backward in (False, True)] == [38 + 20, 80 - 14 + 32]
    wide = replace(job.stack, wide_adapters=True, tunings=("full", "lora", "qlora"))
    fp32, narrow = replace(adapted, stack=wide), replace(job, tuning="qlora", stack=wide)
    assert [one(launches(fp32, plan, backward)) for backward in (False, True)] == [38 + 36, 80 - 14 + 48]
    assert [one(launches(narrow, plan, backward)) for backward in (False, True)] == [38 + 32 + 21, 80 - 14 + 40 + 21]
    assert one(launches(replace(fp32, kernels="compiled"), plan, False)) == one(launches(replace(adapted, kernels="compiled"), plan, False))
    hooked = replace(job, stack=replace(job.stack, weight_launches=20.0))
    assert [one(launches(hooked, plan, backward)) for backward in (False, True)] == [38, 80 + 180]


def test_graphs_launch_their_share_of_a_layer() -> None:
    """The router's graph leaves a dense layer alone, attention's is six tenths of it, whole layers and steps leave nothing."""
    job = small()
    whole = one(launches(job, Plan().column(), backward=False))
    kinds = ("none", "router", "attention-router", "layers", "full")
    left = [one(launches(replace(job, cuda_graphs=kind), Plan().column(), backward=False)) for kind in kinds]
    assert left == pytest.approx([whole, whole, 0.4 * whole, 0, 0])
