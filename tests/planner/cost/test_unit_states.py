"""What FSDP2 gathers by units, in round figures by hand: layers of 1,000 and 600 parameters, an embedding of 400, a head of 3,000."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from planner.cost import reserved
from planner.cost import unit_states as units
from planner.dimensions import Bytes, Number, Parameters
from planner.specs.job import Job
from planner.specs.plan import Plan
from tests.planner.cost.hand_worked import FIRST_AND_LAST, round_job

LAYER, AHEAD, EMBEDDING, HEAD = Parameters(1000.0), Parameters(600.0), Parameters(400.0), Parameters(3000.0)
SHARDED, WHOLE = Plan(pp=2, dp=4, dp_shard=4, zero=3).column(), Plan(pp=2, dp=4, dp_shard=4, zero=2).column()
FOUR = Number(4.0)


def titan(**changes: Any) -> Job:
    """The job of round figures under FSDP2's units; `once`: of a pipeline that gathers and reduces once a step."""
    once = changes.pop("once", False)
    return round_job(stack={"fsdp_units": True, "pipeline_syncs_once": once}, **changes)


def at(value: Any) -> list[float]:
    """The values of the first and the last stage as plain numbers."""
    return [float(x) for x in np.broadcast_to(np.asarray(value, float), (2, 1)).reshape(-1)]


def test_two_layers_are_gathered_and_the_head_is_reduced_before_them() -> None:
    """2 · 1,600 bytes where weights are gathered; 4 · 2,000 of a head larger by 2,000 than a layer, if its loss is not in chunks."""
    chunked = titan(loss_kernel="chunked")
    assert at(units.unit_layers(titan(), SHARDED, FIRST_AND_LAST, LAYER, AHEAD, HEAD)) == [3200, 3200 + 8000]
    assert at(units.unit_layers(titan(), WHOLE, FIRST_AND_LAST, LAYER, AHEAD, HEAD)) == [0, 8000]
    assert at(units.unit_layers(chunked, SHARDED, FIRST_AND_LAST, LAYER, AHEAD, HEAD)) == [3200, 3200]
    assert at(units.unit_layers(titan(once=True), SHARDED, FIRST_AND_LAST, LAYER, AHEAD, HEAD)) == [0, 0]


def test_layers_after_the_first_meet_the_gradient_of_another() -> None:
    """4 bytes a weight of the layer; on the last stage the head is larger, unless its loss is in chunks; none in a pipeline that reduces
    once a step."""
    chunked = titan(loss_kernel="chunked")
    assert at(units.unit_unreduced(titan(), SHARDED, FIRST_AND_LAST, LAYER, HEAD)) == [4000, 0]
    assert at(units.unit_unreduced(titan(), SHARDED, FIRST_AND_LAST, LAYER, AHEAD)) == [4000, 1600]
    assert at(units.unit_unreduced(chunked, SHARDED, FIRST_AND_LAST, LAYER, HEAD)) == [4000, 4000]
    assert at(units.unit_unreduced(titan(once=True), SHARDED, FIRST_AND_LAST, LAYER, HEAD)) == [0, 0]


def test_the_end_is_the_first_layer_or_the_second() -> None:
    """2 · 1,000 of a layer; 2 · 400 of the embedding on the first stage, or 2 · 600 of another layer, less a gradient of 500."""
    gradient = Bytes(500.0)
    assert at(units.unit_end(titan(), SHARDED, FIRST_AND_LAST, LAYER, AHEAD, EMBEDDING, gradient)) == [2800, 2700]
    assert at(units.unit_end(titan(), SHARDED, FIRST_AND_LAST, LAYER, AHEAD, EMBEDDING, Bytes(100.0))) == [3100, 3100]
    assert at(units.unit_end(titan(), WHOLE, FIRST_AND_LAST, LAYER, AHEAD, EMBEDDING, gradient)) == [0, 0]


def test_gradients_that_are_not_made_at_the_end() -> None:
    """4 bytes a weight over 4 ranks, those of 200 in experts over 2; on the first stage those of the embedding and of 300 before it too."""
    one = units.unit_gradient(titan(), SHARDED, LAYER, Parameters(200.0), FOUR, Number(2.0))
    assert at(one) == [800 + 400, 800 + 400]
    assert at(units.unit_late(titan(), SHARDED, FIRST_AND_LAST, Bytes(1200.0), EMBEDDING, Parameters(300.0), FOUR)) == [1900, 1200]
    assert at(units.unit_gradient(titan(once=True), SHARDED, LAYER, Parameters(200.0), FOUR, Number(2.0))) == [0, 0]
    assert at(units.unit_late(titan(once=True), SHARDED, FIRST_AND_LAST, Bytes(0.0), EMBEDDING, Parameters(300.0), FOUR)) == [0, 0]


@pytest.mark.parametrize(
    ("loss", "once", "plan", "expected"),
    [
        # of 3,000: 2 bytes gathered; in chunks 4 summed and 4 over 4 ranks; in a pipeline that reduces once twice 4 over 4 ranks
        ("plain", False, SHARDED, 6000), ("plain", False, WHOLE, 0), ("chunked", False, SHARDED, 6000 + 12_000 + 3000),
        ("chunked", False, WHOLE, 15_000), ("chunked", True, WHOLE, 6000), ("plain", True, WHOLE, 0),
        # less 2 bytes of 1,000 weights that ZeRO-3 does not keep in a pipeline
        ("chunked", True, SHARDED, 6000 - 2000), ("plain", True, SHARDED, 0),
    ],
)  # fmt: skip
def test_weights_and_gradients_of_the_head_at_the_loss(loss: str, once: bool, plan: Plan, expected: float) -> None:
    """On the last stage alone."""
    job = titan(once=once, loss_kernel=loss)
    assert at(units.unit_head(job, plan, FIRST_AND_LAST, HEAD, FOUR, LAYER)) == [0, expected]


def test_the_gradient_of_the_embedding_is_copied_for_its_reduce_scatter() -> None:
    """2 + 4 bytes a weight; 2 · 4 on one rank; 4 where it is summed whole already."""
    one = Number(1.0)
    assert at(units.unit_embedding(titan(), SHARDED, FIRST_AND_LAST, EMBEDDING, FOUR)) == [2400, 0]
    assert at(units.unit_embedding(titan(), SHARDED, FIRST_AND_LAST, EMBEDDING, one)) == [3200, 0]
    assert at(units.unit_embedding(titan(once=True), SHARDED, FIRST_AND_LAST, EMBEDDING, FOUR)) == [1600, 0]


def test_streams_and_the_largest_gradient_have_segments_for_themselves() -> None:
    """2 bytes of a layer of 1,000 and of 400 or 3,000 more, and 900 of gradients, of a pipeline that reduces once a quarter; 4 bytes of
    the largest of them."""
    weights = LAYER, EMBEDDING, HEAD
    for once, reduced in ((False, 900), (True, 225)):
        pools = units.unit_pools(titan(once=once), SHARDED, FIRST_AND_LAST, *weights, Bytes(900.0), FOUR)
        assert at(pools) == [2800 + reduced, 8000 + reduced]
    assert at(units.unit_block(titan(), SHARDED, FIRST_AND_LAST, *weights)) == [4000, 12_000]
    assert at(units.unit_block(titan(tuning="lora"), SHARDED, FIRST_AND_LAST, *weights)) == [0, 0]


def test_what_the_allocator_holds_beyond_live_tensors() -> None:
    """7 of other streams, with a block of 100 without expandable segments; as much as the device has left; a quarter of 100 at least."""
    zero = Bytes(0.0)
    rest = zero, zero, zero, zero, zero, Bytes(7.0), Bytes(100.0)
    job, joined = titan(), titan(expandable_segments=True)
    assert reserved.slack_bytes(job, Bytes(100.0), *rest) == 107
    assert reserved.slack_bytes(joined, Bytes(100.0), *rest) == 7
    room = job.memory_limit - job.stack.context_bytes
    assert reserved.slack_bytes(joined, Bytes(room - 3.0), *rest) == pytest.approx(3)
    assert reserved.slack_bytes(job, Bytes(room - 3.0), *rest) == pytest.approx(0.25 * (room - 3))
