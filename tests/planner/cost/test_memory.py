"""Memory formulas against the papers they come from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from planner.cost import layer_cost as layercosts
from planner.cost import memory
from planner.cost import pipeline_split as split
from planner.cost import stage_cost as stagecosts
from planner.cost.evaluate import evaluate, stages
from planner.cost.records import LayerCost
from planner.specs.job import Job
from planner.specs.plan import Plan
from tests.planner.jobs import bare, example, korthikanti, small

MODELS = [("gpt-22b", 8, 4, 1, 4), ("gpt3-175b", 64, 64, 8, 1), ("mt-nlg-530b", 280, 280, 35, 1), ("gpt-1t", 512, 512, 64, 1)]
ids = [m[0] for m in MODELS]


def layer(job: Job, plan: Plan) -> LayerCost:
    return layercosts.layer_cost(job, plan.column())


@pytest.mark.parametrize(("model", "gpus", "batch", "pp", "b"), MODELS, ids=ids)
def test_a_layer_keeps_what_korthikanti_2022_derives(model: str, gpus: int, batch: int, pp: int, b: int) -> None:
    """Activations of a layer are s b h (10 + 24/t + 5 a s/(h t)) with tensor parallelism (Eq. 2), s b h/t (34 + 5 a s/h) with
    sequence parallelism too (Eq. 4), 34 s b h/t under selective (Eq. 6) and 2 s b h/t under full recompute."""
    job = bare(korthikanti(model, gpus, batch))
    s, h, a, t = job.sequence, job.model.hidden, job.model.heads, 8
    tensor = layer(job, Plan(tp=t, pp=pp, micro_batch=b))
    both = layer(job, Plan(tp=t, pp=pp, micro_batch=b, sequence_parallel=1))
    assert tensor.layer_activations[0] == pytest.approx(s * b * h * (10 + 24 / t + 5 * a * s / (h * t)))
    assert both.layer_activations[0] == pytest.approx(s * b * h / t * (34 + 5 * a * s / h))
    assert both.selective_activations[0] == pytest.approx(34 * s * b * h / t)
    assert both.checkpoint_bytes[0] == pytest.approx(2 * s * b * h / t)


@pytest.mark.parametrize(("model", "gpus", "batch", "pp", "b", "vpp"), [*((*m, 1) for m in MODELS), (*MODELS[1], 3), (*MODELS[2], 3)])
def test_the_first_stage_holds_a_model_of_layers_and_more_when_interleaved(
    model: str, gpus: int, batch: int, pp: int, b: int, vpp: int
) -> None:
    """The first stage holds s b h L/t (34 + 5 a s/h) (Eq. 5), times 1 + (p - 1)/(p v) when interleaved (Section 4.2.3)."""
    job = bare(korthikanti(model, gpus, batch))
    plan = Plan(tp=8, pp=pp, vpp=vpp, micro_batch=b, sequence_parallel=1).column()
    held = stagecosts.activations(job, plan, stagecosts.edge_cost(job, plan))[0, 0]
    s, h, a, t = job.sequence, job.model.hidden, job.model.heads, 8
    factor = 1 + (pp - 1) / (pp * vpp) if vpp > 1 else 1
    masks = s * b * h / t * (pp * factor)  # dropout masks of the embedding, one byte each
    assert held == pytest.approx(s * b * h * job.model.layers / t * (34 + 5 * a * s / h) * factor + masks)


@pytest.mark.parametrize(("optimizer", "states"), [("adamw", 12), ("adamw-8bit", 6), ("sgd", 8)])
@pytest.mark.parametrize("gradient", [2, 4])
def test_states_take_the_bytes_of_transformer_math_101(optimizer: str, states: int, gradient: int) -> None:
    """Weights take 2 bytes, gradients 2 or 4, AdamW 4+4+4, 8-bit 4+1+1, SGD with momentum 4+4 bytes a parameter."""
    job = small(optimizer=optimizer, gradient_bytes=str(gradient), gpus=1, gpus_per_node=1, global_batch=1)
    parts = evaluate(job, Plan(dp=1)).memory_parts.named()
    parameters = job.model.published_parameters
    assert parts["parameters"][0] == pytest.approx(2 * parameters, rel=1e-4)
    assert parts["gradients"][0] == pytest.approx(gradient * parameters, rel=1e-4)
    assert parts["optimizer"][0] == pytest.approx(states * parameters, rel=1e-4)


def test_zero_divides_what_its_stage_says() -> None:
    """ZeRO-1 divides optimizer states by the group, ZeRO-2 gradients too, ZeRO-3 weights too (Rajbhandari et al., Figure 1)."""
    job = small()
    whole, *sharded = (evaluate(job, Plan(dp=16, dp_shard=16 if z else 1, zero=z)).memory_parts.named() for z in range(4))
    for stage, parts in enumerate(sharded, 1):
        for least, name in ((1, "optimizer"), (2, "gradients"), (3, "parameters")):
            share = 16 if stage >= least else 1
            assert parts[name][0] == pytest.approx(whole[name][0] / share), (stage, name)


def test_offloaded_states_leave_the_device_for_the_host() -> None:
    """Offloading moves the optimizer states of every GPU of a node into host memory and keeps none on the device."""
    kept, moved = (evaluate(small(offload_optimizer=o), Plan(tp=2, dp=8)) for o in (False, True))
    assert moved.memory_parts.optimizer[0] == 0
    assert moved.host[0] == pytest.approx(8 * kept.memory_parts.optimizer[0])
    assert kept.host[0] == 0


def test_a_pipeline_holds_fewer_micro_batches_towards_its_end() -> None:
    """In-flight micro-batches fall by one a stage under 1F1B and never exceed the micro-batches there are."""
    rows = stages(example(), Plan(tp=8, pp=16, dp=128, dp_shard=128, zero=1, sequence_parallel=1))
    assert [row.in_flight for row in rows] == [float(n) for n in range(16, 0, -1)]
    few = stages(example(global_batch=512), Plan(tp=8, pp=16, dp=128, dp_shard=128, zero=1, sequence_parallel=1))
    assert max(row.in_flight for row in few) == 4


def test_llama_3_splits_its_126_layers_over_16_stages() -> None:
    """Embedding and head count as a layer each: 7 layers on the first and the last of 16 stages, 8 on the others (Llama 3, 3.3.2)."""
    rows = stages(example(), Plan(tp=8, pp=16, dp=128, dp_shard=128, zero=1, sequence_parallel=1))
    assert [row.layers for row in rows] == [7, *[8] * 14, 7]


def test_the_logits_of_a_wide_vocabulary_stand_on_the_last_stage() -> None:
    """Logits take lambda bytes a token and padded vocabulary entry, over tp, on the last stage alone."""
    job = small()
    rows = stages(job, Plan(tp=2, pp=4, dp=2))
    assert [row.parts.logits > 0 for row in rows] == [False, False, False, True]
    assert rows[-1].parts.logits == pytest.approx(6 * 4096 * 128256 / 2)


@pytest.mark.parametrize(("state", "width"), [("", 12), ("4", 12), ("2", 8), ("1", 6)])
def test_states_may_be_kept_in_other_widths(state: str, width: int) -> None:
    """AdamW's two states take the bytes they are set to, 4 each where nobody says; the fp32 master copy stays."""
    assert memory.optimizer_width(small(state_bytes=state)) == width


def test_nanotron_splits_layers_by_their_work_and_counts_the_head() -> None:
    """With a head worth four layers, 16 layers on 8 stages lie 3, 2, 3, 2, 3, 2, 1 and none: each stage ends where its share is reached."""
    job = small(stack="nanotron")
    job = replace(job, model=replace(job.model, layers=16, hidden=2048, heads=32, kv_heads=32, head_dim=64, ffn=8192, vocab=131072))
    stage = np.arange(8)[:, None]
    assert split.stage_layers(job, Plan(pp=8, dp=2).column(), stage)[:, 0].tolist() == [3, 2, 3, 2, 3, 2, 1, 0]


def test_what_a_stack_does_not_fuse_it_keeps() -> None:
    """An unfused SwiGLU keeps 2 f more a token, an unfused norm its bytes a hidden unit, fp8 half of the products' inputs."""
    job, plan = bare(small()), Plan(dp=16)
    model, tokens = job.model, job.sequence

    def kept(precision: str = "bf16", **traits: Any) -> float:
        return float(layer(replace(job, precision=precision, stack=replace(job.stack, **traits)), plan).layer_activations[0])

    plain = kept(narrow_kept=False)
    assert kept(gate_kept=1.0) - plain == pytest.approx(2 * model.ffn * tokens)
    assert kept(norm_kept=3.0) - plain == pytest.approx(2 * 3 * model.hidden * tokens)
    assert plain - kept("fp8", narrow_kept=True) == pytest.approx((2 * model.hidden + model.ffn) * tokens)
    assert kept("fp8", narrow_kept=False) == plain


def test_inputs_that_stay_gathered_wait_for_the_communication_stream() -> None:
    """All but two micro-batches' in flight, or one without a pipeline where that waits; none where not gathered or recomputed."""
    job = bare(small())
    keeps = replace(job, stack=replace(job.stack, gathered_kept=2.0))
    unit = 4 * job.sequence * job.model.hidden

    waits = replace(keeps, stack=replace(keeps.stack, gathered_in_pipeline=False))
    alone, deep = Plan(tp=2, dp=8, sequence_parallel=1), Plan(tp=2, pp=4, dp=2, sequence_parallel=1)

    def extra(plan: Plan, job_with: Job = keeps) -> float:
        found = [stagecosts.activations(j, plan.column(), stagecosts.edge_cost(j, plan.column()))[0, 0] for j in (job_with, job)]
        return float(found[0] - found[1])

    assert extra(deep) == pytest.approx(2 * unit * 8)
    assert extra(alone, waits) == pytest.approx(unit * 32)
    assert extra(alone) == extra(deep, waits) == extra(Plan(tp=2, pp=4, dp=2)) == extra(replace(deep, recompute=2)) == 0


def test_gathered_logits_are_not_divided_over_tensor_parallel_ranks() -> None:
    """Where a stack gathers logits before its loss, every tensor parallel rank holds all of them."""
    job = small()
    whole = replace(job, stack=replace(job.stack, logits_whole=True))
    shared, gathered = (evaluate(j, Plan(tp=4, dp=4)).memory_parts.logits[0] for j in (job, whole))
    assert gathered == pytest.approx(4 * shared)
