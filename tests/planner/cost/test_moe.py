"""Routed experts by hand: 1,000 tokens that visit 2 of 8 experts of width 500, hidden width 1,000."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from planner.cost import moe as experts
from planner.specs.job import Selective
from planner.specs.plan import Plan
from tests.planner.cost.hand_figures import SPARSE, given_plain_numbers, round_job, with_rows_padded

by_hand = given_plain_numbers(experts)
ROUND = round_job(SPARSE)
FOLDED = Plan(tp=4, ep=4, etp=2, dp=2).column()  # two experts on a rank, each over two
SENT, COPIES = 500.0, 1500.0  # 1,000 / 4 tokens of a rank go to 2 experts each; the busiest two ranks work on 1.5 times as many


def one(column: Any) -> float:
    """The one value of a column."""
    return float(np.ravel(np.asarray(column))[0])


def test_copies_of_tokens_by_hand() -> None:
    """A rank sends 1,000 / 4 x 2 copies; experts over two ranks work on 1.5 x 500 x 2 of them, or on the capacity's share."""
    assert one(by_hand.routed_copies(ROUND, FOLDED, 1000.0)) == 500
    assert one(by_hand.expert_copies(replace(ROUND, imbalance=1.5), FOLDED, 500.0)) == 1.5 * 500 * 2
    assert one(by_hand.expert_copies(replace(ROUND, imbalance=1.5, capacity=3.0), FOLDED, 500.0)) == 3 * 500 * 2


ROUTER = 250 * (4 * 1000 + 9 * 8)  # of 250 tokens the input in fp32, logits and scores in fp32, a map of bytes
TERMS = [(True, "bf16", 1500 * (2 * 1000 + 2 * 2 * 250 + 2 * 250)), (False, "bf16", 1500 * (2 * 1000 + 2 * 250 + 2 * 250)),
         (True, "fp8", 1500 * (1000 + 2 * 2 * 250 + 250))]  # fmt: skip


@pytest.mark.parametrize(("gated", "precision", "of_experts"), TERMS)
def test_activations_of_a_sparse_layer_by_hand(gated: bool, precision: str, of_experts: int) -> None:
    """Of each of 1,500 copies its input of 1,000, the middle of 250 before and behind the activation, 2 bytes each (1 of what products
    read in 8 bits); of each of 500 sent the experts' output; and the router's activations."""
    job = replace(round_job(replace(SPARSE, gated=gated), narrow_kept=True), precision=precision)
    stored = by_hand.sparse_activations(job, FOLDED, 1e6, SENT, COPIES)
    assert one(stored) == pytest.approx(1e6 + of_experts + ROUTER + 500 * 2 * 1000)


def test_selective_recomputation_keeps_the_shares_of_the_stack() -> None:
    """Half of the experts' inputs and nothing of the router's."""
    job = round_job(SPARSE, selective=Selective(keep={"expert_in": 0.5, "router": 0.0}))
    stored = 1500 * 1000 + 1500 * 2 * 2 * 250 + 1500 * 2 * 250 + 500 * 2 * 1000
    assert one(by_hand.sparse_selective(job, FOLDED, 1e6, SENT, COPIES)) == pytest.approx(1e6 + stored)


def test_probabilities_between_the_products_keep_no_output() -> None:
    """As above without the experts' output of 500 copies and the router's input in fp32."""
    job = round_job(SPARSE, expert_out_stored=False, router_in_stored=0.0)
    assert one(by_hand.sparse_activations(job, FOLDED, 0.0, SENT, COPIES)) == pytest.approx(TERMS[0][2] + 250 * 9 * 8)


@pytest.mark.parametrize(
    ("ffn", "gated", "expected"),
    [
        (500, True, 4 * 1000 * (500 + 1500)),  # copies before and after both all-to-alls: middle of 250
        (6000, True, 2 * 1500 * 2 * 3000),  # both sides of the activation, middle of 3,000
        (6000, False, 2 * 1500 * (1000 + 3000)),  # of the second product
    ],
)
def test_a_sparse_layer_with_main_gradients(ffn: int, gated: bool, expected: float) -> None:
    """The largest of dispatch and combine, the experts' second product, and their activation."""
    job = round_job(replace(SPARSE, expert_ffn=ffn, gated=gated), main_gradients=True)
    assert one(by_hand.sparse_gradients(job, FOLDED, 1e6, SENT, COPIES)) == pytest.approx(1e6 + expected)


@pytest.mark.parametrize(("gated", "matrices"), [(True, 3), (False, 2)])
def test_gradients_of_a_sparse_layer_by_hand(gated: bool, matrices: int) -> None:
    """2 x 1,000 bytes of each copy sent and twice of each processed, and 2 x 250 for each of an expert's matrices."""
    job = round_job(replace(SPARSE, gated=gated))
    gradients = by_hand.sparse_gradients(job, FOLDED, 1e6, SENT, COPIES)
    assert one(gradients) == pytest.approx(1e6 + 2 * 1000 * (500 + 2 * 1500) + 2 * 1500 * matrices * 250)


def test_a_grouped_kernel_by_hand() -> None:
    """Four products of 2 x 100 x 1,000 x 500 FLOP at 10^6 FLOP/s in one kernel, and one launch: 0.5 + 4 x 100 s. In 8 bits such kernels
    reach 1.5 x 10^6 FLOP/s."""
    job = round_job(SPARSE)
    assert one(by_hand.grouped_seconds(job, 4, 100.0, 1000.0, 500.0)) == pytest.approx(0.5 + 4 * 100)
    assert one(by_hand.grouped_seconds(replace(job, precision="fp8"), 4, 100.0, 1000.0, 500.0)) == pytest.approx(0.5 + 4 * 100 / 1.5)


def test_single_products_of_experts_on_streams_by_hand() -> None:
    """On two streams two launches of each pass one after another: 2 x 0.5 + 4 x 100 s; in 8 bits 2 x 10^6 FLOP/s, as any single product;
    one after another four launches."""
    job = round_job(SPARSE, expert_streams=2)
    assert one(by_hand.grouped_seconds(job, 4, 100.0, 1000.0, 500.0)) == pytest.approx(2 * 0.5 + 4 * 100)
    assert one(by_hand.grouped_seconds(replace(job, precision="fp8"), 4, 100.0, 1000.0, 500.0)) == pytest.approx(2 * 0.5 + 4 * 50)
    apart = round_job(SPARSE, expert_streams=1)
    assert one(by_hand.grouped_seconds(apart, 4, 100.0, 1000.0, 500.0)) == pytest.approx(4 * 0.5 + 4 * 100)


def test_the_experts_products_by_hand() -> None:
    """Two experts on a rank, of 750 rows each: 2 x 750 x 500 x 1,000 FLOP into both halves of the gated middle, half of it out again. The
    gradients of weights take as much and the gradients of inputs too; in kernels that pad rows by 10 each pads its own."""
    assert one(by_hand.experts_linear(ROUND, FOLDED, COPIES)) == pytest.approx(2 * 0.5 + 2 * (750 + 375))
    padded = with_rows_padded(ROUND, 10)
    assert one(by_hand.experts_linear(padded, FOLDED, COPIES)) == pytest.approx(1 + 2 * (760 + 380))
    assert one(by_hand.expert_weight_products(padded, FOLDED, COPIES)) == pytest.approx(1 + 2 * (1010 * 0.75 + 260 * 1.5))
    assert one(by_hand.sparse_weight_seconds(padded, FOLDED, 10.0, COPIES)) == pytest.approx(10 + 2 * (1 + 2 * (757.5 + 390)))
    plain = round_job(replace(SPARSE, gated=False))
    assert one(by_hand.experts_linear(plain, FOLDED, COPIES)) == pytest.approx(1 + 2 * (375 + 375))


def test_launches_of_a_sparse_layer_by_hand() -> None:
    """1 s of the layer, 0.5 s of routing, 0.125 s for each of two experts on a rank and 0.25 s for the counts, on a host that takes twice
    as long; no counts with a capacity, five times as long for experts in 8 bits."""
    assert one(by_hand.host_sparse(ROUND, FOLDED, 1.0)) == 1 + 2 * (0.5 + 2 * 0.125 + 0.25)
    assert one(by_hand.host_sparse(replace(ROUND, capacity=1.0), FOLDED, 1.0)) == 1 + 2 * (0.5 + 2 * 0.125)
    assert one(by_hand.host_sparse(replace(ROUND, precision="fp8"), FOLDED, 1.0)) == 1 + 2 * (0.5 + 5 * 2 * 0.125 + 0.25)
    router = replace(ROUND, cuda_graphs="router")
    assert one(by_hand.host_sparse(router, FOLDED, 1.0)) == pytest.approx(1 + 2 * (0.67 * 0.5 + 2 * 0.125 + 0.25))
    assert one(by_hand.host_sparse(replace(ROUND, cuda_graphs="layers"), FOLDED, 1.0)) == 1 + 2 * 0.25
    assert one(by_hand.host_sparse(replace(ROUND, cuda_graphs="full"), FOLDED, 1.0)) == 1
    assert by_hand.host_sparse_return(ROUND, 3.0, 1.0, 2.5) == 3 + 1.5 * 1.5


def test_the_router_by_hand() -> None:
    """250 tokens x 8 experts x 1,000 in fp32 at half the rate, 24 bytes a score; twice of that backward."""
    once = 2 * (0.5 + 2 * 250 * 8 * 1000 / 1e6) + 250 * 8 * 24 / 1e8
    assert one(by_hand.router_seconds(ROUND, 250.0, 1.0)) == pytest.approx(once)
    assert one(by_hand.router_seconds(ROUND, 250.0, 2.0)) == pytest.approx(2 * once)


PERMUTED = 2 * 1000 * (3 * 500 + 250 + 4 * 1500)  # of 500 copies of 250 tokens sent and 1,500 that arrive, sorted by rank and by expert
MOVED = [
    ({}, "bf16", False, PERMUTED + 1500 * 6 * 250),
    ({}, "bf16", True, PERMUTED + 1500 * 10 * 250),
    ({"gated": False}, "bf16", False, PERMUTED + 1500 * 4 * 250),
    ({"gated": False}, "bf16", True, PERMUTED + 1500 * 6 * 250),
    ({"bias": True}, "bf16", False, PERMUTED + 1500 * (6 * 250 + 28 * 1000)),
    ({"bias": True}, "bf16", True, PERMUTED + 1500 * (10 * 250 + 2 * 2 * 250 + 36 * 1000)),
    ({}, "fp8", False, PERMUTED + 1500 * (6 * 250 + 6 * (1000 + 250))),
]


@pytest.mark.parametrize(("traits", "precision", "backward", "moved"), MOVED)
def test_bytes_moved_around_the_experts_by_hand(traits: dict[str, Any], precision: str, backward: bool, moved: float) -> None:
    """The copies permuted; 6, 10, 4 bytes a unit of the middle; biases; casts into 8 bits. Eager kernels permute and activate apart."""
    job = replace(round_job(replace(SPARSE, **traits)), precision=precision)
    assert one(by_hand.moved_bytes(job, FOLDED, SENT, COPIES, backward)) == pytest.approx(moved)
    eager = replace(job, kernels="eager")
    if not traits and precision == "bf16":
        assert one(by_hand.moved_bytes(eager, FOLDED, SENT, COPIES, backward)) == pytest.approx(
            PERMUTED + (500 * 40 * 1000 + 1500 * 18 * 250 if backward else 500 * 24 * 1000 + 1500 * 10 * 250)
        )


FORWARD, ONCE = 2 * 0.5 + 2 * (750 + 375), 2 * (0.5 + 4) + 250 * 8 * 24 / 1e8  # the experts' products; the router


def test_a_sparse_layers_passes_by_hand() -> None:
    """Around the experts 10 s; products, router and bytes moved on a cluster twice as slow. Backward two products for each, the router
    twice, and gradients of a million weights of 4 bytes read and written; of frozen weights none."""
    moved = {False: (PERMUTED + 1500 * 6 * 250) / 1e8, True: (PERMUTED + 1500 * 10 * 250) / 1e8}
    forward = by_hand.sparse_forward(ROUND, FOLDED, 10.0, FORWARD, SENT, COPIES)
    assert one(forward) == pytest.approx(10 + 2 * (FORWARD + ONCE + moved[False]))
    backward = by_hand.sparse_backward(ROUND, FOLDED, 10.0, 1e6, SENT, COPIES)
    assert one(backward) == pytest.approx(10 + 2 * (2 * FORWARD + 2 * ONCE + moved[True] + 2 * 4 * 1e6 / 1e8))
    padded = by_hand.sparse_backward(with_rows_padded(ROUND, 10), FOLDED, 10.0, 1e6, SENT, COPIES)
    rows = 2 * (10 + 5) + 2 * (7.5 + 15) + 4 * 2 * 10 * 8 * 1e-3  # inputs' and weights' gradients, four of the router's kernels
    assert one(padded) == pytest.approx(one(backward) + 2 * rows)
    frozen = by_hand.sparse_backward(replace(ROUND, tuning="lora"), FOLDED, 10.0, 1e6, SENT, COPIES)
    assert one(frozen) == pytest.approx(10 + 2 * (FORWARD + 2 * ONCE + moved[True]))


def test_what_selective_recompute_repeats_of_the_experts_by_hand() -> None:
    """Half of their products and of the bytes moved, and a quarter of the activation: 10 bytes of each of 1,500 x 250, in separate
    kernels."""
    job = round_job(SPARSE, selective=Selective(repeat={"experts": 0.5, "expert_act": 0.25}), unfused=("activation",))
    moved, act = (PERMUTED + 1500 * 10 * 250) / 1e8, 1500 * 10 * 250 / 1e8
    repeated = by_hand.sparse_repeat(job, FOLDED, 10.0, FORWARD, SENT, COPIES)
    assert one(repeated) == pytest.approx(10 + 2 * (0.5 * (FORWARD + moved) + 0.25 * act), rel=1e-9)
    assert one(by_hand.sparse_repeat(ROUND, FOLDED, 10.0, FORWARD, SENT, COPIES)) == 10


def test_a_repeated_layer_and_a_stage_send_again_by_hand() -> None:
    """A recomputed sparse layer repeats its forward all-to-all, 5 + 3 s; three layers of 4 s are 12 s."""
    assert by_hand.sparse_repeated(5.0, 3.0) == 8
    assert by_hand.stage_ep(3, 4.0) == 12


STATES = [
    # plan, traits of the stack, bytes a parameter over 4 ranks: weight, gradient, master copy and two states
    ({"zero": 0}, {}, 2 + 4 + 12), ({"zero": 1}, {}, 2 + 4 + 12 / 4), ({"zero": 2}, {}, 2 + 4 / 4 + 12 / 4),
    ({"zero": 3}, {}, 2 / 4 + 4 / 4 + 12 / 4), ({"zero": 3}, {"master_is_parameter": True}, 0 + 4 / 4 + 12 / 4),
    ({"zero": 3, "pp": 2}, {"pipeline_syncs_once": True}, 2 + 4 + 12 / 4),
    ({"zero": 1, "dp": 8}, {"bucket_gradient_bytes": 2.0}, 2 + 4 + 12 / 4 + 2),
    ({"zero": 1, "dp": 2}, {"bucket_gradient_bytes": 2.0}, 2 + 4 + 12 / 4),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "traits", "width"), STATES)
def test_states_of_experts_by_hand(changes: dict[str, int], traits: dict[str, Any], width: float) -> None:
    """1,000 parameters: AdamW's 2 + 4 + 12 bytes, divided over 4 ranks as far as ZeRO says (Rajbhandari et al. 2020, Figure 1)."""
    job, plan = round_job(SPARSE, **traits), Plan(ep=2, **changes).column()
    gradients = one(by_hand.expert_gradients(job, plan, 1000.0, 4.0))
    assert one(by_hand.expert_states(job, plan, 1000.0, 4.0)) + gradients == pytest.approx(1000 * width)
    moved = replace(job, offload_optimizer=True)
    assert one(by_hand.expert_states(moved, plan, 1000.0, 4.0)) + gradients == pytest.approx(
        1000 * (width - 12 / (4 if plan.zero[0] else 1))
    )
    assert one(by_hand.expert_optimizer(job, plan, 1000.0, 4.0)) == pytest.approx(1000 * 12 / (4 if plan.zero[0] else 1))


def test_frozen_experts_keep_their_weights_alone() -> None:
    """2 bytes each, over 4 ranks under ZeRO-3, whatever the stack's master copy; no optimizer states."""
    job = replace(round_job(SPARSE, master_is_parameter=True), tuning="lora")
    assert one(by_hand.expert_states(job, Plan(dp=8, ep=2, zero=2).column(), 1000.0, 4.0)) == 2000
    assert one(by_hand.expert_states(job, Plan(dp=8, ep=2, zero=3).column(), 1000.0, 4.0)) == 500
    linear = replace(job, stack=replace(job.stack, quantized_experts=True, tunings=("lora", "qlora")), tuning="qlora")
    assert one(by_hand.expert_states(linear, Plan(dp=8, ep=2, zero=2).column(), 1000.0, 4.0)) == pytest.approx(515.869, abs=0.001)
    assert one(by_hand.expert_optimizer(job, Plan(dp=8, ep=2).column(), 1000.0, 4.0)) == 0
    assert one(by_hand.expert_gradients(job, Plan(dp=8, ep=2).column(), 1000.0, 4.0)) == 0
