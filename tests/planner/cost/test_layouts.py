"""What the ranks of a pipeline hold by a layout, computed by hand, and against the split of the stack where both agree."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from planner.cost import memory, moe_stages, schedule, shard, stage_cost
from planner.cost import pipeline_split as split
from planner.cost.evaluate import evaluate
from planner.dimensions import Bytes, Number, Parameters, Seconds, Tokens
from planner.document.space import Bounds, Space
from planner.runs.predict import stage_memory
from planner.search.search import search
from planner.specs.job import Job
from planner.specs.pipeline_layout import compact
from planner.specs.plan import Plan
from tests.planner.cost.hand_worked import EXPERTS, round_job
from tests.planner.jobs import example, small

AHEAD = round_job(model=EXPERTS | {"mtp_layers": 1, "dense_layers": 3}, stack={"layouts": True})
APART = Plan(pp=4)  # of E|t*8|m|L: the layer ahead on a separate rank


def laid(text: str) -> Job:
    """A job of eight layers, three of them dense, and one ahead, with a layout."""
    return replace(AHEAD, pipeline_layout=text)


def on_ranks(values: object) -> list[float]:
    """A column of ranks as plain numbers."""
    return [float(x) for x in np.asarray(values, float).reshape(-1)]


@pytest.mark.parametrize(
    ("text", "plan", "every", "dense", "sparse"),
    [
        ("Et*8mL", Plan(), [8], [3], [6]),
        ("Et*4|tt|ttmL", Plan(pp=3), [4, 2, 2], [3, 0, 0], [1, 2, 3]),  # the layer ahead next to the head
        ("Et|tttt|ttt|mL", Plan(pp=4), [1, 4, 3, 0], [1, 2, 0, 0], [0, 2, 3, 1]),
        ("E|t*8|m|L", APART, [0, 8, 0, 0], [0, 3, 0, 0], [0, 5, 1, 0]),
        ("Ett|t|ttt|ttmL", Plan(pp=2, vpp=2), [5, 3], [2, 1], [3, 3]),  # rank 0: stages 0 and 2; rank 1: 1 and 3
        ("Ett|t|ttt|t|tm|L", Plan(pp=3, vpp=2), [3, 2, 3], [2, 1, 0], [1, 2, 3]),  # stage 4, with the layer ahead, is on rank 1
    ],
)
def test_each_rank_holds_what_its_virtual_stages_do(
    text: str, plan: Plan, every: list[int], dense: list[float], sparse: list[float]
) -> None:
    """Rank i has the virtual stages i, p + i ...; of eight layers the first three are dense, and the one ahead is sparse."""
    job, shape = laid(text), (int(plan.pp), 1)
    held = stage_cost.stage_kinds(job, plan.column(), plan.every_stage())
    assert [on_ranks(np.broadcast_to(np.asarray(kind), shape)) for kind in held] == [every, dense, sparse]
    assert job.layout is not None
    assert split.virtual_layers(job, plan).tolist() == list(job.layout.layers)
    assert split.chunk_layers(job, plan.column()).tolist() == [max(job.layout.layers)]
    virtual = stage_cost.virtual_kinds(job, plan)
    assert virtual.sparse is not None
    assert on_ranks(virtual.dense + virtual.sparse)[job.layout.ahead_stage] == job.layout.layers[job.layout.ahead_stage] + 1


def test_all_ranks_of_a_layout_are_examined() -> None:
    """Any may be the fullest: four ranks of a pipeline of four, the last repeated for shorter pipelines."""
    plans = Plan(pp=np.array([1, 2, 4]), vpp=np.array([4, 2, 1]))
    assert split.edge_stages(laid("E|t*8|m|L"), plans).T.tolist() == [[0, 0, 0, 0], [0, 1, 1, 1], [0, 1, 2, 3]]


def test_multi_token_prediction_takes_its_weights_along() -> None:
    """E|t*8|m|L: 7 of the embedding; 3 · 1,000 + 5 · 100; one sparse layer, its projection of 2 · 100² and norms of 300, copies of
    embedding and head; the head's 5. Next to the head there is one copy, of the embedding."""
    weights = Parameters(1000.0), Parameters(100.0), Parameters(7.0), Parameters(5.0)
    for text, plan, dense, sparse, expected in (
        ("E|t*8|m|L", APART, [0, 3, 0, 0], [0, 5, 1, 0], [7, 3500, 100 + 20_300 + 7 + 5, 5]),
        ("Et*4|t*4mL", Plan(pp=2), [3, 0], [1, 5], [3107, 500 + 20_300 + 7 + 5]),
    ):
        layers = Number(np.array(dense, float)[:, None]), Number(np.array(sparse, float)[:, None])
        held = shard.mixed_weights(laid(text), plan.column(), plan.every_stage(), *layers, *weights)
        assert on_ranks(held) == expected


def test_multi_token_prediction_takes_its_time_along() -> None:
    """E|t*8|m|L: 2 s of the embedding; 3 · (1 + 2) + 5 · (4 + 5); a layer, a head of 10 s and a projection of 3 s; a head."""
    layers = Number(np.array([[0.0], [3], [0], [0]])), Number(np.array([[0.0], [5], [1], [0]]))
    seconds = Seconds(1.0), Seconds(2.0), Seconds(4.0), Seconds(5.0), Seconds(2.0), Seconds(10.0), Seconds(3.0)
    compute = moe_stages.mixed_compute(laid("E|t*8|m|L"), APART.column(), APART.every_stage(), *layers, *seconds)
    assert on_ranks(compute) == [2, 54, 9 + 10 + 3, 10]


def test_multi_token_prediction_takes_its_logits_along() -> None:
    """Of 20 tokens and 1,000 entries in 6 bytes each rank with a loss has 120,000; the head's inputs of 9 bytes stay with it."""
    for text, expected in (("E|t*8|m|L", [0, 0, 120_000, 120_009]), ("E|t*4|t*4|mL", [0, 0, 0, 240_009])):
        job = laid(text)
        held = memory.logits_memory(job, APART.column(), APART.every_stage(), Tokens(20.0), Bytes(9.0))
        assert on_ranks(held) == expected
        assert split.computes_loss(job, APART.column(), APART.every_stage())[:, 0].tolist() == [each > 0 for each in expected]
    assert memory.head_logits(laid("E|t*8|m|L"), APART.column(), Tokens(20.0)) == 120_000
    assert memory.head_logits(laid("E|t*4|t*4|mL"), APART.column(), Tokens(20.0)) == 240_000


def test_a_micro_batch_passes_every_rank_of_a_layout() -> None:
    """5 + 6 + 7 s through three ranks; the repeated last rank of a shorter pipeline counts once."""
    seconds, layers = Seconds(np.array([[5.0, 5.0], [6.0, 6.0], [7.0, 6.0]])), Number(np.ones((3, 2)))
    through = schedule.all_stages(laid("Et*4|tt|ttmL"), Plan(pp=np.array([3, 2])), layers, seconds)
    assert on_ranks(through) == [18, 11]


@pytest.mark.parametrize(
    ("model", "plan"),
    [
        ({"model": "deepseek-v3-671b", "mtp_layers": 1}, Plan(pp=16, ep=8, dp=8, dp_shard=8, zero=1)),
        ({"model": "deepseek-v3-671b"}, Plan(pp=8, vpp=4, ep=16, dp=16, dp_shard=16, zero=1)),
        ({"model": "llama-3.1-405b"}, Plan(tp=8, pp=16, sequence_parallel=1, recompute=1)),
        ({"model": "llama-3.1-8b"}, Plan(pp=4, vpp=8, dp=32)),
    ],
)
def test_a_layout_as_the_stack_splits_changes_nothing(model: dict[str, object], plan: Plan) -> None:
    """The stages of the stack written as a layout: the same memory on every rank and the same slowest rank; the ramp, summed over all ranks
    and not from three of them, differs by less than 1 % of the step."""
    job = example(gpus=128, global_batch=2048, **model)
    letters = ["t" * int(count) for count in split.virtual_layers(job, plan)]
    letters[0], letters[-1] = f"E{letters[0]}", f"{letters[-1]}{'m' * job.model.mtp_layers}L"
    same = replace(job, pipeline_layout=compact(letters))
    assert np.array_equal(stage_memory(same, plan.column()).device, stage_memory(job, plan.column()).device)
    ours, theirs = evaluate(same, plan), evaluate(job, plan)
    assert ours.time_parts.compute == pytest.approx(theirs.time_parts.compute, rel=1e-12)
    assert ours.step == pytest.approx(theirs.step, rel=0.01)


def test_memory_follows_the_layers() -> None:
    """A layer less on the first rank of two, which holds more micro-batches in flight, needs less memory, and the second rank more; the
    step is that of the longer rank."""
    plan = Plan(tp=4, pp=2, dp=2, dp_shard=2, zero=1, sequence_parallel=1)
    even, fewer = (small(pipeline_layout=text) for text in ("Et*16|t*16L", "Et*15|t*17L"))
    before, after = (stage_memory(job, plan.column()).device[:, 0] for job in (even, fewer))
    assert after[0] < before[0] and after[1] > before[1]
    assert evaluate(fewer, plan).step[0] > evaluate(even, plan).step[0]


def test_no_more_sparse_layers_are_recomputed_than_there_are() -> None:
    """All eight layers, of virtual stages of 6 and 2 with two dense ones among the first: five sparse ones, the rest dense."""
    plan = Plan(pp=1, vpp=4, recompute=3, recompute_layers=2).column()
    sparse = split.recomputed_sparse(AHEAD, plan, Number(8.0), Number(3.0), Number(5.0))
    assert on_ranks(sparse) == [5] and on_ranks(split.recomputed_dense(Number(8.0), sparse)) == [3]


def test_the_search_agrees_with_the_evaluation_of_each_plan() -> None:
    """Ranks that differ, one with multi-token prediction and no head: memory and time of the rows are those of their plans."""
    changes = {"model": "deepseek-v3-671b", "gpus": 64, "global_batch": 512, "mtp_layers": 1, "stack": "megatron-core"}
    job = example(**changes, pipeline_layout="Et*9|(t*9|)*5t*7m|L")
    result = search(job, Space().with_("cp", Bounds((1,))))
    rows = np.random.default_rng(20261204).permutation(len(result))[:60]
    for row in rows.tolist():
        figures = evaluate(job, result.plan(row))
        assert figures.memory[0] == pytest.approx(result.memory_bytes[row], rel=1e-9)
        assert figures.step[0] == pytest.approx(result.step_seconds[row], rel=1e-9)
