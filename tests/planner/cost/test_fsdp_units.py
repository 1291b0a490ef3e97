"""Memory of torchtitan's layers, head and pipelines in round figures by hand: 4 or 2 ranks, 1,000 tokens, hidden width 100, MLP 300."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from planner.cost import fsdp_units, memory, moe
from planner.dimensions import Bytes, Number, Parameters, Stage, Tokens
from planner.specs.job import Job
from planner.specs.plan import Plan
from tests.planner.cost.hand_worked import EXPERTS, FIRST_AND_LAST, FIRST_TO_THIRD, round_job

UNITS: Mapping[str, object] = {"fsdp_units": True, "split_logits_bytes": 8.0, "loss_chunks": 5}
T = Tokens(1000.0)
LATENT = {"kv_rank": 40, "rope_dim": 5, "v_dim": 20}
ALONE, PAIR = Plan().column(), Plan(tp=2, sequence_parallel=1).column()


def titan(**changes: Any) -> Job:
    """The job of round figures under a stack of FSDP2's units."""
    return round_job(stack=UNITS | changes.pop("stack", {}), **changes)


def at(value: Any) -> list[float]:
    """The values of a column, or of stages, as plain numbers."""
    return [float(x) for x in np.asarray(value, float).reshape(-1)]


def test_inputs_are_stored_gathered_and_a_ring_stores_two_results() -> None:
    """Attention's and the MLP's input, 2 · 2 · 100 bytes per token and rank; a result of 80, 2 · 40 over two ranks, in a ring twice."""
    assert at(fsdp_units.stored_terms(titan(), PAIR)["linear_in"]) == [400]
    assert at(fsdp_units.stored_terms(titan(), PAIR)["attention_out"]) == [80]
    assert at(fsdp_units.stored_terms(titan(), PAIR.with_(cp=np.array([2])))["attention_out"]) == [160]
    around = titan(model=EXPERTS | {"shared_ffn": 0, "ffn": 0}).around_experts
    assert at(fsdp_units.stored_terms(around, ALONE)["linear_in"]) == [200]
    assert at(memory.activation_terms(titan(), PAIR)["linear_in"]) == [400]


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ({}, [160, 100, 300, 300, 100]), ({"gated": False}, [160, 100, 300, 100]),
        # queries of 8 heads of 10 + 5, a latent of 40 + 5, keys and values of 8 heads of 10 + 20; queries through a latent of 30
        (LATENT, [120, 45, 240, 100, 300, 300, 100]), (LATENT | {"q_rank": 30}, [30, 120, 45, 240, 100, 300, 300, 100]),
    ],
)  # fmt: skip
def test_products_in_their_order(model: dict[str, object], expected: list[float]) -> None:
    """Queries, keys and values in one product, the projection, gate, up and down."""
    assert [float(np.ravel(width)[0]) for width in fsdp_units.products(titan(model=model).model, ALONE)] == expected


def test_every_second_product_is_saved() -> None:
    """Of 160, 100, 300, 300 and 100 the first, third and fifth: 560; the layer's input 100, attention 80 and its sums 2 · 8. Over two
    ranks half of each but of the last product, and 2 · 50 from two reduce-scatters."""
    assert at(fsdp_units.unit_selective(titan(), ALONE, T)) == [2 * 1000 * (100 + 560 + 80 + 16)]
    assert at(fsdp_units.unit_selective(titan(), PAIR, T)) == [2 * 1000 * (50 + 80 + 150 + 100 + 40 + 8 + 100)]


@pytest.mark.parametrize(
    ("plan", "changes", "expected"),
    [
        # 2 · 1,000 · 100 of the output's gradient; two gradients in the MLP and 2 · 100 · 300 of its last weights
        (ALONE, {}, 200_000 + 4 * 1000 * 300 + 60_000), (ALONE, {"model": {"gated": False}}, 200_000 + 2 * 1000 * 300 + 60_000),
        # half of them; the output's gradient is gathered, 200,000; with a narrow MLP the copies of a partial result count, 600,000
        (PAIR, {}, 100_000 + 4 * 1000 * 150 + 30_000 + 200_000), (PAIR, {"model": {"ffn": 100}}, 100_000 + 600_000),
        (ALONE, {"tuning": "lora"}, 200_000 + 4 * 1000 * 300),
    ],
)  # fmt: skip
def test_what_a_layer_needs_in_its_backward_pass(plan: Plan, changes: dict[str, object], expected: float) -> None:
    """The larger of the moments with many tokens: the activation between the products, or a partial result."""
    assert at(fsdp_units.unit_gradients(titan(**changes), plan, T, Parameters(1000.0), Bytes(1e7))) == [expected]


def test_with_few_tokens_gradients_of_weights_count() -> None:
    """2 · 1,000,000 of a layer's weights, 2 · 10 · (160 + 300) of its last product, less 5,000 of activations freed by then."""
    few = fsdp_units.unit_gradients(titan(), ALONE, Tokens(10.0), Parameters(1e6), Bytes(5000.0))
    assert at(few) == [2000 + 2e6 + 9200 - 5000]


def test_experts_are_weighted_in_32_bits() -> None:
    """2,000 copies of 1,000 tokens: three of them in fp32, 12 · 100 · 2,000, and the output's gradient; or gradients of weights, less the
    8 · 60 bytes a copy freed by then; or what the layer around them needs."""
    job, copies = titan(model=EXPERTS), Tokens(2000.0)
    needs = [fsdp_units.unit_expert_gradients(job, ALONE, Bytes(x), copies, Parameters(y)) for x, y in ((0, 0), (0, 2e6), (9e6, 0))]
    assert [at(need) for need in needs] == [[200_000 + 2_400_000], [200_000 + 4e6 - 960_000], [9e6]]
    terms, plain = (moe.expert_terms(each, ALONE, copies, copies) for each in (job, round_job(model=EXPERTS)))
    assert at(terms["expert_out"]) == [2 * x for x in at(plain["expert_out"])]
    assert at(terms["expert_act"]) == [2 * x for x in at(plain["expert_act"])]


def test_logits_and_inputs_of_the_head() -> None:
    """6 bytes for each of 1,000 tokens and 1,000 entries and two inputs; over two ranks 8 bytes for half of the entries, and half of one
    input. A pipeline keeps 2 bytes more."""
    job, one = titan(), Stage(0)
    assert at(fsdp_units.unit_logits(job, ALONE, one, T)) == [6e6 + 400_000]
    assert at(fsdp_units.unit_logits(job, PAIR, one, T)) == [4e6 + 300_000]
    assert at(fsdp_units.unit_logits(job, Plan(pp=2).column(), FIRST_AND_LAST, T)) == [0, 8e6 + 400_000]


def test_logits_of_one_chunk_of_five() -> None:
    """Logits of 200 tokens, 2 · 200,000 bytes; the larger of the head's reduced gradient, 4 · 100,000, and of the loss, 6 · 200,000; both
    in a pipeline. Inputs 4 · 200,000, with more than one sequence copied in chunks."""
    job, one = titan(loss_kernel="chunked"), Stage(0)
    assert at(fsdp_units.chunked_logits(job, ALONE, one, T)) == [800_000 + 400_000 + 1_200_000]
    assert at(fsdp_units.chunked_logits(job, ALONE, one, Tokens(100.0))) == [80_000 + 40_000 + 400_000]
    assert at(fsdp_units.chunked_logits(job, Plan(micro_batch=2).column(), one, T)) == [1_000_000 + 400_000 + 1_200_000]
    assert at(fsdp_units.chunked_logits(job, Plan(pp=2).column(), FIRST_AND_LAST, T)) == [0, 800_000 + 400_000 + 1_200_000 + 400_000]


def test_a_pipeline_has_a_buffer_of_every_micro_batch() -> None:
    """Rotations of two layers, 4 · 2 · 10 bytes a position. Of 12 micro-batches 200,000 bytes each: gradients on the first of three ranks,
    with 3 outputs in flight, inputs and gradients on the second, inputs on the last; of two virtual stages twice but at the edges."""
    job, rotations = titan(), 4 * 2 * 10 * round_job().sequence
    count, in_flight = Number(12.0), Number(np.array([[3.0], [2.0], [1.0]]))
    held = fsdp_units.standing_buffers(job, Plan(pp=3).column(), FIRST_TO_THIRD, Number(2.0), T, count, in_flight)
    assert at(held) == [rotations + 200_000 * n for n in (12 + 3, 24, 12)]
    held = fsdp_units.standing_buffers(job, Plan(pp=3, vpp=2).column(), FIRST_TO_THIRD, Number(2.0), T, count, in_flight)
    assert at(held) == [rotations + 200_000 * n for n in (36 + 3, 48, 36)]
    assert at(fsdp_units.standing_buffers(job, ALONE, Stage(0), Number(2.0), T, count, Number(1.0))) == [rotations]


def test_the_gradient_of_the_layer_before_is_in_its_reduce_scatter() -> None:
    """4 bytes a weight, none of frozen weights, none in a pipeline that reduces once a step."""
    weights = Parameters(1000.0)
    assert at(fsdp_units.unit_reduced(titan(), ALONE, weights)) == [4000]
    assert at(fsdp_units.unit_reduced(titan(tuning="lora"), ALONE, weights)) == [0]
    assert at(fsdp_units.unit_reduced(titan(stack={"pipeline_syncs_once": True}), Plan(pp=2).column(), weights)) == [0]
    assert fsdp_units.unit_working(Bytes(5.0), Bytes(4.0)) == 9
