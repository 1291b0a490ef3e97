"""What fully sharded ranks gather, in round figures by hand: a layer of 10 parameters, an embedding of 1,000, a head of 500."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from planner.cost import gathered
from planner.dimensions import Bytes, Count, Parameters
from planner.specs.plan import Plan
from tests.planner.cost.hand_worked import FIRST_AND_LAST, round_job

ROUND = round_job()
LAYER, EMBEDDING, HEAD, STAGE = Parameters(10.0), Parameters(1000.0), Parameters(500.0), Parameters(1550.0)


def at(value: Any) -> list[float]:
    """The values of a column, or of stages, as plain numbers."""
    return [float(x) for x in np.asarray(value, float).reshape(-1)]


def test_two_layers_are_gathered_at_a_time() -> None:
    """Zhao et al. 2023, Section 3.4.2: while a layer runs the next is gathered, 2 · 2 · 10 bytes of weights; and the unreduced gradients of
    the first, 4 · 10, or 2 · 10 where they are reduced in 16 bits."""
    plan = Plan(pp=2, dp=4, dp_shard=4, zero=3).column()
    assert at(gathered.layers_gathered(ROUND, plan, LAYER, STAGE)) == [40 + 40]
    assert at(gathered.layers_gathered(round_job(reduce_bytes=2), plan, LAYER, STAGE)) == [40 + 20]


def test_head_and_embedding_are_gathered_on_their_stages() -> None:
    """2 · 500 bytes of the head on the last stage; 2 · 1,000 of the embedding and 4 · 1,000 of its gradient on the first."""
    plan = Plan(pp=2, dp=4, dp_shard=4, zero=3).column()
    assert at(gathered.head_gathered(ROUND, plan, FIRST_AND_LAST, HEAD, STAGE)) == [0, 1000]
    assert at(gathered.embedding_gathered(ROUND, plan, FIRST_AND_LAST, EMBEDDING, STAGE, Count(4), EMBEDDING)) == [6000, 0]


@pytest.mark.parametrize(
    ("plan", "stack"),
    [
        (Plan(dp=4, dp_shard=4, zero=2), {}), (Plan(tp=8, zero=3), {}),
        (Plan(pp=2, dp=4, dp_shard=4, zero=3), {"pipeline_syncs_once": True}),
    ],
)  # fmt: skip
def test_nothing_is_gathered_with_one_rank_or_below_zero_3_or_for_good(plan: Plan, stack: dict[str, object]) -> None:
    """Weights that are stored whole are not gathered."""
    job, column = round_job(stack=stack), plan.column()
    assert at(gathered.layers_gathered(job, column, LAYER, STAGE)) == [0]
    assert set(at(gathered.head_gathered(job, column, FIRST_AND_LAST, HEAD, STAGE))) == {0}
    assert set(at(gathered.embedding_gathered(job, column, FIRST_AND_LAST, EMBEDDING, STAGE, Count(4), EMBEDDING))) == {0}


def test_context_parallel_ranks_share_weights() -> None:
    """Two ranks that share a sequence shard weights: 8 · 10 bytes gathered."""
    assert at(gathered.layers_gathered(ROUND, Plan(cp=2, zero=3).column(), LAYER, STAGE)) == [80]


TIED = round_job(model={"tied": True})


def test_the_root_unit_is_gathered_for_the_whole_step() -> None:
    """At the loss the embedding and the last layer in addition to the head; in a layer both, the next one's experts, and the gradient of a
    head of 1,000 x 100; at the end gradients of both in 16 bits and in the width of the reduction, less weights gathered under ZeRO-2."""
    plan, few = Plan(dp=2, dp_shard=2, zero=3).column(), Plan(dp=2, dp_shard=2, zero=2).column()
    assert at(gathered.root_at_loss(ROUND, plan, Bytes(5.0), LAYER, EMBEDDING)) == [5 + 2 * (10 + 1000)]
    assert at(gathered.root_at_loss(ROUND, few, Bytes(5.0), LAYER, EMBEDDING)) == [5]
    assert at(gathered.root_at_layer(ROUND, plan, Bytes(5.0), EMBEDDING, HEAD, Parameters(7.0))) == [5 + 2 * (1000 + 500 + 7) + 2e5]
    assert at(gathered.root_at_layer(ROUND, few, Bytes(5.0), EMBEDDING, HEAD, Parameters(7.0))) == [5 + 2e5]
    assert at(gathered.root_at_end(ROUND, plan, Bytes(5.0), EMBEDDING, HEAD, Bytes(300.0))) == [6 * 1500]
    assert at(gathered.root_at_end(ROUND, few, Bytes(5.0), EMBEDDING, HEAD, Bytes(300.0))) == [6 * 1500 - 300]
    assert at(gathered.root_at_end(ROUND, few, Bytes(5.0), EMBEDDING, HEAD, Bytes(1e6))) == [0]
    alone = Plan().column()
    assert at(gathered.root_at_end(ROUND, alone, Bytes(5.0), EMBEDDING, HEAD, Bytes(300.0))) == [5]
    assert at(gathered.root_at_end(TIED, alone, Bytes(5.0), EMBEDDING, HEAD, Bytes(300.0))) == [5 + 2 * 4 * 1000 * 100]


def test_a_layers_gradient_before_it_is_reduced() -> None:
    """4 bytes of 10 weights where they are gathered."""
    assert at(gathered.unreduced_bytes(ROUND, Plan(dp=2, dp_shard=2, zero=3).column(), LAYER)) == [40]
    assert at(gathered.unreduced_bytes(ROUND, Plan().column(), LAYER)) == [0]
