"""Communication of tensor parallelism in a layer, by hand: what is sent, and what products hide."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from planner.cost import tensor_parallel as tensor
from planner.cost.layer_cost import layer_costs
from planner.dimensions import Bytes, Number, Seconds, Stage, Tokens
from planner.specs.plan import Plan
from tests.planner.cost.hand_worked import EXPERTS, FIRST_TO_THIRD, round_job
from tests.planner.jobs import example

ROUND = round_job()
PLAIN, DIVIDED = Plan(tp=8).column(), Plan(tp=8, sequence_parallel=1).column()
MEGATRON = round_job(stack={"tp_overlap": "backward", "tp_gathers_again": True})
HALF = Number(0.5)
BUFFERS = round_job(stack={"tp_overlap": "products", "tp_gathers_again": True})


def at(value: object) -> list[float]:
    """The values of a column, or of stages, as plain numbers."""
    return [float(x) for x in np.asarray(value, float).reshape(-1)]


def test_a_layer_sums_its_activations_twice_over_tensor_parallel_ranks() -> None:
    """Shoeybi et al. 2019, Section 3: all-reduces of 2 · 30 · 100 bytes behind attention and the MLP; with sequence parallelism an
    all-gather and a reduce-scatter each; at half the rate of a benchmark. A parallel block has one, and a layer of routed experts alone."""
    assert tensor.tp_message(ROUND, Tokens(30.0)) == 6_000
    for job, halves in (
        (ROUND, 2), (round_job(model={"parallel_block": True}), 1), (round_job(model=EXPERTS | {"shared_ffn": 0}).around_experts, 1)
    ):  # fmt: skip
        message = Bytes(1.5e9)
        seconds = [at(tensor.tp_forward(job, plan, message, tensor.tp_gathered(job, plan, message)))[0] for plan in (PLAIN, DIVIDED)]
        assert seconds == pytest.approx([halves * (3.5 + 0.001) / 0.5, halves * 2 * (1.75 + 0.001) / 0.5])


def test_inputs_stored_divided_are_gathered_again() -> None:
    """The gathers of the forward pass, half of its 8 s in 16 bits; none of frozen weights, or where inputs are stored whole."""
    assert at(tensor.tp_again(MEGATRON, Seconds(8.0), HALF)) == [4]
    assert at(tensor.tp_again(MEGATRON, Seconds(8.0), Number(0.0))) == [0]
    assert at(tensor.tp_again(ROUND, Seconds(8.0), HALF)) == [0]
    assert at(tensor.tp_again(replace(MEGATRON, tuning="lora"), Seconds(8.0), HALF)) == [0]


def test_what_is_cast_is_gathered_in_8_bits() -> None:
    """Of 1.5e9 bytes in 16 bits half are gathered at 7/8 over 7.5e8 B/s, and all scattered; torchao gathers rows in 16 bits."""
    message, sixteen, eight = Bytes(1.5e9), round_job(), round_job(precision="fp8")
    gathered, scattered = (at(tensor.tp_gathered(job, DIVIDED, message))[0] for job in (eight, sixteen))
    assert (gathered, scattered) == pytest.approx((0.875 + 0.001, 1.75 + 0.001))
    assert at(tensor.tp_forward(eight, DIVIDED, message, Seconds(gathered))) == pytest.approx([2 * (gathered + scattered) / 0.5])
    assert at(tensor.tp_share(eight, DIVIDED, message, Seconds(gathered))) == pytest.approx([gathered / (gathered + scattered)])
    assert at(tensor.tp_share(sixteen, DIVIDED, message, Seconds(scattered))) == [0.5]
    assert at(tensor.tp_share(sixteen, PLAIN, message, Seconds(0.0))) == [0]
    rows = replace(eight, stack=replace(eight.stack, casts="torchao", fp8_recipes=("rowwise",)), fp8_recipe="rowwise")
    assert at(tensor.tp_gathered(rows, DIVIDED, message)) == pytest.approx([scattered])


def test_products_divided_by_columns() -> None:
    """Queries, keys and values of one head of eight and one key-value head of four, and the first two matrices of the MLP: 30 x 100 by
    10 + 20 and by 75 columns."""
    seconds = tensor.column_seconds(ROUND, PLAIN, Tokens(30.0))
    assert at(seconds) == pytest.approx([0.001 + 2 * 30 * 100 * 30 / 1e6 + 0.001 + 2 * 30 * 100 * 75 / 1e6])


def test_user_buffers_hide_the_forward_pass_behind_its_products() -> None:
    """Of 8 s behind 5 s of products 3 s are left, behind 7 s a quarter; all of them without user buffers or sequence parallelism."""
    for products, left in ((5.0, 3), (7.0, 2)):
        assert at(tensor.tp_visible(BUFFERS, DIVIDED, Seconds(8.0), Seconds(products))) == [left]
        assert at(tensor.tp_visible(BUFFERS, PLAIN, Seconds(8.0), Seconds(products))) == [8]
        assert at(tensor.tp_visible(MEGATRON, DIVIDED, Seconds(8.0), Seconds(products))) == [8]


@pytest.mark.parametrize(
    ("job", "plan", "again", "visible", "expected"),
    [
        (ROUND, DIVIDED, 4, 8, 8 + 4),  # nothing hidden
        (ROUND, PLAIN, 0, 8, 8),
        (MEGATRON, DIVIDED, 4, 8, 4 + 1 + 1),  # gradients gathered: 4 s; a gather and a scatter of 4 s behind 3 s each
        (MEGATRON, PLAIN, 0, 8, 8 - 3),  # a sum of 8 s behind 3 s
        (BUFFERS, DIVIDED, 4, 2, 1 + 1 + 1),  # gradients gathered as in the forward pass
        (replace(MEGATRON, tuning="lora"), DIVIDED, 0, 8, 4 + 4),  # no gradients of weights to hide the scatter
    ],
)
def test_products_hide_sums_of_the_backward_pass(job: object, plan: Plan, again: float, visible: float, expected: float) -> None:
    """Of 8 s that the forward pass sends, with column-parallel products of 3 s, the backward pass exposes what is not behind these."""
    share = HALF if plan is DIVIDED else Number(0.0)
    left = tensor.tp_behind(job, Seconds(8.0), Seconds(again), Seconds(visible), share, Seconds(3.0))  # type: ignore[arg-type]  # a Job
    assert at(left) == [expected]
    assert tensor.tp_layer(Seconds(2.0), Seconds(3.0)) == 5


def test_a_stage_exposes_what_its_layers_do_and_its_ends() -> None:
    """9 s for each of three layers; the embedding and the head add half of the 2 s of a layer's forward pass."""
    three = tensor.stage_tp(Plan(pp=3).column(), FIRST_TO_THIRD, Number(3.0), Seconds(2.0), Seconds(9.0))
    assert at(three) == pytest.approx([28, 27, 28])
    assert at(tensor.stage_tp(Plan().column(), Stage(0), Number(3.0), Seconds(2.0), Seconds(9.0))) == pytest.approx([29])


def test_no_more_is_exposed_than_sent() -> None:
    """For every degree and way to overlap a layer exposes at most the ten passes it sends, and more overlap never exposes more."""
    plan = Plan(tp=np.array([1, 2, 4, 8]), sequence_parallel=np.array([0, 1, 1, 1]))
    job, exposed = example(), []
    for overlap in ("none", "backward", "products"):
        stack = replace(job.stack, tp_overlap=overlap, tp_gathers_again=True)
        cost = layer_costs(replace(job, stack=stack), plan).dense
        assert (cost.tp_layer <= 2 * cost.tp_forward + cost.tp_again + 1e-12).all()
        exposed.append(cost.tp_layer)
    assert (exposed[0] >= exposed[1]).all() and (exposed[1] >= exposed[2]).all() and (exposed[0] > exposed[2])[1:].all()
