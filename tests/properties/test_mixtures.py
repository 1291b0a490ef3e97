"""Properties of every mixture of experts: its layers and parameters on ranks, the cost of its experts, and the derivations."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.cost import communication as traffic
from planner.cost import pipeline_split as split
from planner.cost import shard
from planner.cost import stage_cost as stagecosts
from planner.cost import step_cost as est
from planner.cost.compute import linear_shapes
from planner.cost.evaluate import evaluate
from planner.cost.moe import expert_shapes
from planner.cost.schedule import model_flops
from planner.dimensions import Tokens
from planner.document.space import Space
from planner.formula.trace import Step
from planner.report.columns import HEADLINES
from planner.report.explain import headlines
from planner.search.axes import divisors
from planner.search.search import search
from planner.specs import parameters
from planner.specs.job import Job
from planner.specs.model import Model
from planner.specs.plan import Plan
from tests.planner.jobs import every_schedule, mixture
from tests.properties.strategies import SETTINGS, every_stage_an_edge, layers_of, mixtures, one, searched


def whole_vectors(model: Model) -> int:
    """Parameters of one layer replicated on every tensor-parallel rank: norms, biases after row-parallel products, latent projections."""
    divided = (model.heads + 2 * model.kv_heads) * model.head_dim * ((model.bias or model.qkv_bias) and not model.kv_rank)
    middle = (2 if model.gated else 1) * model.ffn * model.bias
    return parameters.layer_vectors(model) - divided - middle + parameters.down_projections(model)


@SETTINGS
@given(mixtures(), st.data())
def test_each_kind_of_layer_sums_to_the_models(job: Job, data: st.DataObject) -> None:
    """Over all stages the layers sum to those of the model: all, dense, and sparse including those of multi-token prediction."""
    model, plan = job.model, one(searched(job), data)
    _, layers = layers_of(job, plan)
    assert layers.sparse is not None
    every, dense, sparse = (np.broadcast_to(kind, (int(plan.pp), 1)) for kind in (layers.all, layers.dense, layers.sparse))
    assert min(every.min(), dense.min(), sparse.min()) >= 0
    assert every.sum() == model.layers
    assert dense.sum() == pytest.approx(model.layers - model.sparse_layers)
    assert sparse.sum() == pytest.approx(model.sparse_layers + model.mtp_layers)


@SETTINGS
@given(mixtures(), st.data())
def test_the_parameters_of_all_ranks_are_the_models(job: Job, data: st.DataObject) -> None:
    """Distinct shards of all stages hold the model's parameters and those of multi-token prediction: what every rank of a tensor
    group holds counted once, padding apart, with heads repeated and the embedding copied where prediction is not on the first stage."""
    model, plan = job.model, one(searched(job), data)
    column = plan.column()
    stage, layers = layers_of(job, plan)
    held, head = est.static(job, column, stage, layers), split.is_head(column, stage)
    assert layers.sparse is not None and held.experts is not None
    around, norm = parameters.around_experts(model), parameters.norm_size(model, model.hidden)
    whole: Any = layers.dense * whole_vectors(model) + layers.sparse * (whole_vectors(around) + parameters.router_parameters(model))
    whole = whole + head * model.mtp_layers * parameters.mtp_vectors(model)
    total = (plan.tp * held.weights - (plan.tp - 1) * whole).sum() + plan.ep * plan.etp * held.experts.sum()
    again = 0 if model.kv_rank else max(int(plan.tp) // model.kv_heads, 1) - 1
    keys = 2 * model.kv_heads * model.head_dim * (model.hidden + (model.bias or model.qkv_bias))
    repeated = again * (model.layers + model.mtp_layers) * keys
    copied = shard.padded_vocab(job, column)[0] * (model.mtp_layers > 0 and not head[0, 0])
    padding = (2 - model.tied) * (shard.padded_vocab(job, column)[0] - model.vocab)
    expected = parameters.total_parameters(model) + parameters.mtp_parameters(model) - norm + repeated + (copied + padding) * model.hidden
    assert total == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("name", "layers", "dense"), [("deepseek-v3-671b", 10, 3), ("deepseek-v2-lite-16b", 22, 4), ("glm-4.5-air-106b-a12b", 12, 5)]
)
@pytest.mark.parametrize("stack", ["megatron-core", "torchtitan", "nanotron"])
def test_where_dense_layers_end_is_an_edge(name: str, layers: int, dense: int, stack: str) -> None:
    """If the first layers are dense and the head is small, some plans are slowest neither at an end nor on the second stage; the edge
    stages include the fullest and the slowest in every plan."""
    job = every_schedule(mixture(name, layers, stack=stack, gpus=48, global_batch=96, sequence=1024))
    job = replace(job, model=replace(job.model, dense_layers=dense, mtp_layers=0, vocab=16_000))
    result = search(job, Space().with_("pp", ">=4").with_("tp", "1").with_("cp", "1").with_("recompute", "none,full"))
    plans = result.plans(np.arange(len(result)))
    edges = evaluate(job, plans), stagecosts.pipeline(job, plans, stagecosts.edge_cost(job, plans)).pace.slowest_stage
    with every_stage_an_edge():
        every = evaluate(job, plans), stagecosts.pipeline(job, plans, stagecosts.edge_cost(job, plans)).pace.slowest_stage
    assert edges[0].memory == pytest.approx(every[0].memory, rel=1e-12)
    assert edges[1] == pytest.approx(every[1], rel=1e-12)
    assert ((every[0].slowest > 1) & (every[0].slowest < plans.pp - 1)).any()


@SETTINGS
@given(mixtures(), st.data())
def test_the_ranks_that_hold_the_same_experts(job: Job, data: st.DataObject) -> None:
    """Each expert is on tp x cp x dp / (ep x etp) ranks, ep x etp ranks apart, which shard or replicate it under every sharding."""
    plan = one(searched(job), data)
    group = traffic.expert_group(plan)
    assert group.whole * plan.ep * plan.etp == plan.tp * plan.cp * plan.dp
    if plan.zero:
        assert group.shard * group.replicas == group.whole
        assert shard.expert_shard_size(plan) == group.shard


@SETTINGS
@given(mixtures(), st.data())
def test_the_products_of_all_layers_are_the_models_flops(job: Job, data: st.DataObject) -> None:
    """The matrix products of all layers, heads and prediction over the ranks of a stage sum to the model FLOPs, in cases without
    products that tensor parallelism replicates: latent projections, heads, and the router, whose ranks share the tokens."""
    model, sp = job.model, data.draw(st.booleans())
    tp = data.draw(st.sampled_from([t for t in (1, 2, 4, 8) if model.kv_heads % t == 0 and (sp or t == 1 or not model.kv_rank)]))
    ep, etp = data.draw(st.sampled_from([(1, 1), (2, 1), (4, 1), (1, tp)]))
    plan, tokens = Plan(tp=tp, ep=ep, etp=etp if not model.bias else 1, sequence_parallel=int(sp and tp > 1)), 4096.0
    even = replace(job, imbalance=1.0, capacity=0.0)

    def products(dense: Job) -> float:
        return tp * sum(float(m * n * k) for part in linear_shapes(dense, plan, Tokens(tokens)).values() for m, n, k in part)

    experts, shapes = expert_shapes(even, plan, Tokens(tokens / tp * model.experts_per_token * plan.etp))
    routed = tp * sum(float(experts * m * n * k) for m, n, k in shapes)
    router = tokens * model.hidden * model.experts
    sparse = model.sparse_layers + model.mtp_layers
    layers = (model.layers - model.sparse_layers) * products(even) + sparse * (products(even.around_experts) + routed + router)
    heads = tokens * model.hidden * (model.vocab * (1 + model.mtp_layers) + 2 * model.hidden * model.mtp_layers)
    attention = 6.0 * (model.layers + model.mtp_layers) * model.heads * (model.key_dim + model.value_dim) * _keys(job)
    assert 6.0 * (layers + heads) / tokens + attention == pytest.approx(model_flops(job) / (job.global_batch * job.sequence), rel=1e-12)


def _keys(job: Job) -> float:
    """Keys per query of the attention square, both halves, mean over layers."""
    model, s = job.model, job.sequence
    if not 0 < model.sliding_window < s:
        return s
    seen = model.sliding_window if model.chunked else 2 * model.sliding_window - model.sliding_window**2 / s
    far = model.global_layers / model.layers
    return far * s + (1 - far) * seen


@SETTINGS
@given(mixtures(), st.data())
def test_more_expert_parallelism_never_holds_more_of_the_experts(job: Job, data: st.DataObject) -> None:
    """All else equal, neither the expert states nor the memory of a rank increase with ep, but for an imbalance between ranks."""
    job = replace(job, imbalance=1.0)
    plan = one(searched(job), data)
    degrees = [int(e) for e in divisors(job.model.experts) if (plan.tp * plan.cp * plan.dp_shard) % (e * plan.etp) == 0]
    ladder = [evaluate(job, plan.with_(ep=e)) for e in degrees]
    for name in ("experts", None):
        sizes = [float((e.memory_parts.named()[name] if name else e.memory)[0]) for e in ladder]
        assert all(b <= a * (1 + 1e-12) for a, b in pairwise(sizes))


@SETTINGS
@given(mixtures(), st.data())
@pytest.mark.slow
def test_imbalance_never_helps(job: Job, data: st.DataObject) -> None:
    """Memory and step time do not decrease with the imbalance, except for bubbles that weight gradients fill and host waits where
    communication is overlapped; with a capacity factor the imbalance has no effect."""
    plan = one(searched(job), data)
    ladder = [evaluate(replace(job, imbalance=load, capacity=0.0), plan) for load in (1.0, 1.2, 2.0, 6.0)]
    hides = ladder[0].hidden.named()["ep"][0] > 1e-15
    apart = ("bubble", "straggler") * (plan.schedule > 0) + ("host", "bubble", "straggler") * bool(hides)
    times = [sum(float(seconds[0]) for part, seconds in e.time_parts.named().items() if part not in apart) for e in ladder]
    assert all(b >= a * (1 - 1e-12) for a, b in pairwise(times))
    assert all(b.memory[0] >= a.memory[0] for a, b in pairwise(ladder))
    even, uneven = (evaluate(replace(job, imbalance=load, capacity=2.0), plan) for load in (1.0, 3.0))
    assert even.step[0] == uneven.step[0] and even.memory[0] == uneven.memory[0]
    assert even.memory[0] == ladder[2].memory[0] or plan.ep == 1


@SETTINGS
@given(mixtures(), st.data())
def test_hiding_the_all_to_all_never_makes_a_step_slower(job: Job, data: st.DataObject) -> None:
    """Overlapping the all-to-all never adds time and never saves memory; exposed and hidden parts sum to the whole."""
    plan = one(searched(job), data)
    bare, hiding = (evaluate(replace(job, overlap_experts=overlap), plan) for overlap in (False, True))
    assert hiding.step[0] <= bare.step[0] * (1 + 1e-12)
    assert hiding.memory[0] >= bare.memory[0]
    whole = [e.time_parts.named()["ep"][0] + e.hidden.named()["ep"][0] for e in (bare, hiding) if e.slowest[0] == bare.slowest[0]]
    assert whole == pytest.approx([whole[0]] * len(whole), rel=1e-9, abs=1e-15)


@settings(SETTINGS, max_examples=10)
@given(mixtures(), st.data())
@pytest.mark.slow
def test_a_mixtures_derivations_have_its_numbers(job: Job, data: st.DataObject) -> None:
    """The root of each derivation is the number of the table, every step has a source and a meaning, and experts are included."""
    plan = one(searched(job), data)
    numbers, trees = evaluate(job, plan), headlines(job, plan)
    values = {c.name: float(c.base(numbers)[0]) for c in HEADLINES}
    for name, tree in trees.items():
        assert tree.value == pytest.approx(values[name], rel=1e-12)
        assert all(step.source and step.meaning and np.isfinite(step.value) for step in nodes(tree))
    known = {"memory": ("expert_states", "sparse_activations", "stage_experts"), "step": ("sparse_forward", "ep_layer", "exchange_seconds")}
    assert all(trees[tree].find(name) for tree, names in known.items() for name in names)


def nodes(step: Step) -> list[Any]:
    """A step and all its descendants."""
    return [step, *(inner for child in step.children for inner in nodes(child))]
